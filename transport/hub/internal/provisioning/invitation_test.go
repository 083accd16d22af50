package provisioning_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
)

var unauthorized = &iothub.Error{Code: iothub.CodeUnauthorized}

func (f *fixture) invite(t *testing.T, id string, r provisioning.InviteRequest) invitation.Door {
	t.Helper()
	door, err := f.Invite(t.Context(), id, r)
	if err != nil {
		t.Fatal(err)
	}
	return door
}

// redeem registers with the key of an invitation and returns the new key of the device.
func (f *fixture) redeem(t *testing.T, door invitation.Door) string {
	t.Helper()
	state := f.register(t, door.RegistrationID, door.Key)
	payload, _ := state["payload"].(map[string]any)
	key, _ := payload["deviceKey"].(string)
	if key == "" || key == door.Key.Base64() {
		t.Fatalf("the answer is %v, want a new key", state)
	}
	return key
}

// refused checks that the service does not admit a device with the key of an invitation.
func (f *fixture) refused(t *testing.T, door invitation.Door, want string) {
	t.Helper()
	_, _, err := f.Admit(t.Context(), f.login(door.RegistrationID, door.Key))
	if !errors.Is(err, unauthorized) || !strings.Contains(err.Error(), want) {
		t.Errorf("a device with the code: %v, want %q", err, want)
	}
}

// logIn does what the hub does for a login with the device's key.
func (f *fixture) logIn(t *testing.T, id, key string) (wasInvited bool) {
	t.Helper()
	device, invited, err := f.store.LoginDevice(t.Context(), id)
	if err != nil || device.Authentication.SymmetricKey.PrimaryKey != key {
		t.Fatalf("the login of %s: the key is not the device's, %v", id, err)
	}
	if invited {
		err = f.store.Redeem(t.Context(), device)
	}
	if err != nil {
		t.Fatal(err)
	}
	return invited
}

// The life of a code: it can be used again until the first login with the latest key, and
// never afterwards.
func TestInvitation(t *testing.T) {
	t.Parallel()

	f := start(t)
	door := f.invite(t, "front", provisioning.InviteRequest{Tags: iothub.Object{"site": "north"}})
	if door.Hub != "hub.test" || door.IDScope != f.store.IDScope() || !door.Expires.Equal(now.Add(24*time.Hour)) {
		t.Errorf("the invitation is %+v", door)
	}

	lost := f.redeem(t, door)
	before, _, err := f.store.LoginDevice(t.Context(), "front") // a login with the lost key is being checked
	if err != nil {
		t.Fatal(err)
	}
	key := f.redeem(t, door)
	if key == lost {
		t.Error("a repeated registration returns the same key: a thief would share it with the owner")
	}
	if err := f.store.Redeem(t.Context(), before); !errors.Is(err, unauthorized) {
		t.Errorf("a login with the key of an earlier registration: %v", err)
	}

	late := f.admit(t, "front", door.Key) // connects before the first login and registers after it
	if !f.logIn(t, "front", key) {
		t.Error("the first login did not redeem the invitation")
	}
	f.refused(t, door, `no enrollment admits the registration id "front"`)
	answered(t, late.Register(t.Context(), []byte(`{}`)), 401)
	if f.logIn(t, "front", key) {
		t.Error("the second login redeems the invitation again")
	}

	twin, err := f.store.Twin(t.Context(), "front")
	if err != nil || twin.Tags["site"] != "north" {
		t.Errorf("the twin is %+v, %v", twin, err)
	}
	state, err := f.Registration(t.Context(), "front")
	if err != nil || strings.Contains(string(state), key) || strings.Contains(string(state), "payload") {
		t.Errorf("the registration for a service is %s, %v; it must not contain the key", state, err)
	}
}

// A new invitation replaces the old one. It can replace the gateway of a door.
func TestInviteAgain(t *testing.T) {
	t.Parallel()

	f := start(t)
	first := f.invite(t, "front", provisioning.InviteRequest{})
	key := f.redeem(t, first)
	if _, err := f.Invite(t.Context(), "front", provisioning.InviteRequest{}); !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceAlreadyExists}) {
		t.Errorf("an invitation of a device that exists: %v", err)
	}

	second := f.invite(t, "front", provisioning.InviteRequest{Replace: true})
	f.refused(t, first, "not signed with a key of the enrollment")
	f.logIn(t, "front", key) // the first gateway logs in late; it must not end the second invitation
	if next := f.redeem(t, second); next == key {
		t.Error("the second gateway has the key of the first")
	}
	if len(f.disconnected) == 0 {
		t.Error("the first gateway was not disconnected")
	}
}

func TestInvitationExpires(t *testing.T) {
	t.Parallel()

	f := start(t)
	door := f.invite(t, "front", provisioning.InviteRequest{ValidSeconds: 60})
	at := now
	f.Service = provisioning.New(provisioning.Options{Store: f.store, Now: func() time.Time { return at }})
	login := broker.RegistrationLogin{IDScope: door.IDScope, RegistrationID: "front",
		Password: iothub.Sign(door.IDScope+"/registrations/front", door.Key, "registration", now.Add(time.Hour))}

	for after, admitted := range map[time.Duration]bool{0: true, 59 * time.Second: true, time.Minute: false, 30 * time.Minute: false} {
		at = now.Add(after)
		if _, _, err := f.Admit(t.Context(), login); (err == nil) != admitted || err != nil && !strings.Contains(err.Error(), "expired at 2026-11-24T12:01:00Z") {
			t.Errorf("after %s: %v", after, err)
		}
	}
}

func TestRefusedInvitations(t *testing.T) {
	t.Parallel()

	f := start(t)
	f.put(t, provisioning.Enrollment{RegistrationID: "enrolled", Attestation: keys(iothub.NewKey(), iothub.NewKey())}, "")
	if _, err := f.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "by-hand"}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		id      string
		request provisioning.InviteRequest
		want    string
	}{
		"a device created by hand": {"by-hand", provisioning.InviteRequest{Replace: true}, "delete it first"},
		"too long":                 {"front", provisioning.InviteRequest{ValidSeconds: 7*24*3600 + 1}, "want 1 to 604800"},
		"an overflow":              {"front", provisioning.InviteRequest{ValidSeconds: 1 << 62}, "want 1 to 604800"},
		"negative":                 {"front", provisioning.InviteRequest{ValidSeconds: -1}, "want 1 to 604800"},
		"a bad id":                 {"a/b", provisioning.InviteRequest{}, "'/'"},
		"a bad id for DPS":         {"a%", provisioning.InviteRequest{}, "'%'"},
		"a bad tag":                {"front", provisioning.InviteRequest{Tags: iothub.Object{"$a": "1"}}, "$a"},
		"another enrollment":       {"enrolled", provisioning.InviteRequest{}, "delete the enrollment first"},
	} {
		if _, err := f.Invite(t.Context(), test.id, test.request); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}

	// An enrollment from a service has the same bounds.
	for _, e := range []provisioning.Enrollment{
		{RegistrationID: "a", Attestation: provisioning.Attestation{Type: "symmetricKey"}, Invitation: &provisioning.Invitation{Expires: now.Add(8 * 24 * time.Hour)}},
		{GroupID: "a", Attestation: provisioning.Attestation{Type: "symmetricKey"}, Invitation: &provisioning.Invitation{Expires: now}},
	} {
		if _, err := f.Put(t.Context(), e, ""); !errors.Is(err, &iothub.Error{Code: iothub.CodeArgumentInvalid}) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

// An SDK that changes an invitation does not send its expiry back. It must not become a
// lasting enrollment.
func TestUpdateKeepsTheInvitation(t *testing.T) {
	t.Parallel()

	f := start(t)
	door := f.invite(t, "front", provisioning.InviteRequest{})
	f.put(t, provisioning.Enrollment{RegistrationID: "front", Attestation: provisioning.Attestation{Type: "symmetricKey"}}, "*")
	f.logIn(t, "front", f.redeem(t, door))
	f.refused(t, door, "no enrollment admits")
}
