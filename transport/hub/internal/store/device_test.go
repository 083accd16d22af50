package store

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

func TestCreateDeviceSetsMissingMembers(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	d, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "door-1", ConnectionState: "Connected", CloudToDeviceMessageCount: 9})
	if err != nil {
		t.Fatal(err)
	}
	if d.GenerationID == "" || d.ETag == "" || d.Status != "enabled" || d.ConnectionState != "Disconnected" || d.CloudToDeviceMessageCount != 0 {
		t.Errorf("the identity is %+v", d)
	}
	if a := d.Authentication; a.Type != "sas" || a.SymmetricKey.PrimaryKey == a.SymmetricKey.SecondaryKey {
		t.Errorf("the authentication is %+v", a)
	}

	for _, text := range []string{d.Authentication.SymmetricKey.PrimaryKey, d.Authentication.SymmetricKey.SecondaryKey} {
		if key, err := iothub.ParseKey(text); err != nil || len(key) != 32 {
			t.Errorf("a key has %d bytes (%v), want 32", len(key), err)
		}
	}

	stored, err := s.Device(t.Context(), "door-1")
	if got, want := jsonOf(t, stored), jsonOf(t, d); err != nil || got != want {
		t.Errorf("the stored identity is %s (%v)\nthe answer was %s", got, err, want)
	}
	if !stored.StatusUpdatedTime.IsZero() || !strings.Contains(jsonOf(t, stored), `"lastActivityTime":"0001-01-01T00:00:00Z"`) {
		t.Errorf("unset times are %s", jsonOf(t, stored))
	}

	_, err = s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "door-1"})
	wantCode(t, err, iothub.CodeDeviceAlreadyExists)
}

func TestInvalidIdentitiesAreRefused(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		name string
		d    iothub.DeviceIdentity
		want string
	}{
		{"id", iothub.DeviceIdentity{DeviceID: "a/b"}, "the device id contains"},
		{"status", iothub.DeviceIdentity{DeviceID: "d", Status: "off"}, `status is "off": it must be enabled`},
		{"reason", iothub.DeviceIdentity{DeviceID: "d", StatusReason: text(strings.Repeat("ü", 129))}, "statusReason has 129 characters: at most 128"},
		{"type", iothub.DeviceIdentity{DeviceID: "d", Authentication: &iothub.Authentication{Type: "tpm"}}, `authentication.type is "tpm": it must be sas`},
		{"key", iothub.DeviceIdentity{DeviceID: "d", Authentication: &iothub.Authentication{SymmetricKey: iothub.SymmetricKey{PrimaryKey: "?"}}}, "the key is not base64"},
		{"short key", iothub.DeviceIdentity{DeviceID: "d", Authentication: &iothub.Authentication{SymmetricKey: iothub.SymmetricKey{SecondaryKey: "YQ=="}}}, "the key has 1 bytes, but must have 16 to 64"},
		{"no thumbprint", iothub.DeviceIdentity{DeviceID: "d", Authentication: &iothub.Authentication{Type: "selfSigned"}}, "needs a thumbprint"},
		{"thumbprint", iothub.DeviceIdentity{DeviceID: "d", Authentication: &iothub.Authentication{X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: text("abc")}}}, "must have 40 (SHA-1) or 64 (SHA-256)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			_, err := s.CreateDevice(t.Context(), c.d)
			wantCode(t, err, iothub.CodeArgumentInvalid)
			if err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %q, want it to contain %q", err, c.want)
			}
			if n, err := s.Statistics(t.Context()); err != nil || n.Total != 0 {
				t.Errorf("the store has %d devices (%v), want none", n.Total, err)
			}
		})
	}
}

func TestUpdateDeviceKeepsTheHubsOwnMembers(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	s.SetConnection("door-1", true, "", epoch)
	before, err := s.Device(t.Context(), "door-1")
	if err != nil {
		t.Fatal(err)
	}

	reason := "lent out"
	thumbprint := strings.Repeat("AB", 20)
	for _, step := range []struct {
		name   string
		change func(d *iothub.DeviceIdentity)
		check  func(d iothub.DeviceIdentity) bool
	}{
		{"disable", func(d *iothub.DeviceIdentity) { d.Status, d.StatusReason = "disabled", &reason },
			func(d iothub.DeviceIdentity) bool {
				return d.Status == "disabled" && *d.StatusReason == reason && d.StatusUpdatedTime.Equal(epoch)
			}},
		{"empty keys stay", func(d *iothub.DeviceIdentity) { d.Authentication = &iothub.Authentication{Type: "sas"} },
			func(d iothub.DeviceIdentity) bool {
				return d.Authentication.SymmetricKey == before.Authentication.SymmetricKey
			}},
		{"roll a key", func(d *iothub.DeviceIdentity) {
			d.Authentication.SymmetricKey.PrimaryKey = iothub.Key(strings.Repeat("k", 32)).Base64()
		},
			func(d iothub.DeviceIdentity) bool {
				return d.Authentication.SymmetricKey.PrimaryKey != before.Authentication.SymmetricKey.PrimaryKey &&
					d.Authentication.SymmetricKey.SecondaryKey == before.Authentication.SymmetricKey.SecondaryKey
			}},
		{"certificate instead of keys", func(d *iothub.DeviceIdentity) {
			d.Authentication = &iothub.Authentication{Type: "selfSigned", X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: &thumbprint}}
		}, func(d iothub.DeviceIdentity) bool {
			return d.Authentication.SymmetricKey.PrimaryKey == "" && *d.Authentication.X509Thumbprint.PrimaryThumbprint == thumbprint
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			d, err := s.Device(t.Context(), "door-1")
			if err != nil {
				t.Fatal(err)
			}
			old := d.ETag
			step.change(&d)
			d.GenerationID, d.ConnectionState, d.LastActivityTime = "mine", "Disconnected", time.Time{}
			d, err = s.UpdateDevice(t.Context(), d, `"`+old+`"`)
			if err != nil {
				t.Fatal(err)
			}

			if stored, err := s.Device(t.Context(), "door-1"); err != nil || jsonOf(t, stored) != jsonOf(t, d) {
				t.Errorf("the stored identity is %s (%v), the answer was %s", jsonOf(t, stored), err, jsonOf(t, d))
			}
			if !step.check(d) || d.ETag == old {
				t.Errorf("the identity is %s", jsonOf(t, d))
			}
			if d.GenerationID != before.GenerationID || d.ConnectionState != "Connected" || !d.LastActivityTime.Equal(epoch) {
				t.Errorf("the hub's own members have changed: %s", jsonOf(t, d))
			}
			_, err = s.UpdateDevice(t.Context(), d, old)
			wantCode(t, err, iothub.CodePreconditionFailed)
		})
	}
	_, err = s.UpdateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "door-2"}, "*")
	wantCode(t, err, iothub.CodeDeviceNotFound)
}

func TestDeleteDeviceRemovesTwinAndSessions(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1", "door-10")
	for _, id := range []string{"door-1", "door-1/camera", "door-10", "door-1!"} {
		if err := s.SaveSession(t.Context(), Session{ClientID: id}); err != nil {
			t.Fatal(err)
		}
	}

	wantCode(t, s.DeleteDevice(t.Context(), "door-1", "other"), iothub.CodePreconditionFailed)
	if err := s.DeleteDevice(t.Context(), "door-1", "*"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.DeleteDevice(t.Context(), "door-1", "*"), iothub.CodeDeviceNotFound)
	for _, err := range []error{
		func() error { _, err := s.Device(t.Context(), "door-1"); return err }(),
		func() error { _, err := s.Twin(t.Context(), "door-1"); return err }(),
		func() error { _, err := s.DeviceTwin(t.Context(), "door-1"); return err }(),
	} {
		wantCode(t, err, iothub.CodeDeviceNotFound)
	}

	sessions, err := s.Sessions(t.Context())
	if err != nil || len(sessions) != 2 || sessions[0].ClientID != "door-1!" || sessions[1].ClientID != "door-10" {
		t.Errorf("the sessions are %v (%v), want those of other devices", sessions, err)
	}
	if err := s.DeleteSession(t.Context(), "door-10"); err != nil {
		t.Fatal(err)
	}
	if sessions, err := s.Sessions(t.Context()); err != nil || len(sessions) != 1 {
		t.Errorf("the sessions are %v (%v)", sessions, err)
	}
}

func TestDevicesAndStatistics(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "c", "a", "b")
	s.SetConnection("b", true, "", epoch)
	s.SetConnection("nobody", true, "", epoch)
	if _, err := s.UpdateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "a", Status: "disabled"}, ""); err != nil {
		t.Fatal(err)
	}
	list, err := s.Devices(t.Context(), 2)
	if err != nil || len(list) != 2 || list[0].DeviceID != "a" || list[1].DeviceID != "b" {
		t.Errorf("the devices are %v (%v)", list, err)
	}
	if n, err := s.Statistics(t.Context()); err != nil || n != (Statistics{Total: 3, Enabled: 2, Disabled: 1, Connected: 1}) {
		t.Errorf("the statistics are %+v (%v)", n, err)
	}
}

// TestSetConnection checks that a device's model is kept when the device disconnects.
// The device announced the model when it connected.
func TestSetConnection(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	s.SetConnection("door-1", true, "dtmi:x;1", epoch)
	s.SetConnection("door-1", false, "", epoch.Add(time.Second))
	if err := s.Update(t.Context(), func(*sql.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	twin, err := s.Twin(t.Context(), "door-1")
	if err != nil || twin.ConnectionState != "Disconnected" || twin.ModelID != "dtmi:x;1" || !twin.LastActivityTime.Equal(epoch.Add(time.Second)) {
		t.Errorf("the twin is %+v (%v)", twin, err)
	}
}
