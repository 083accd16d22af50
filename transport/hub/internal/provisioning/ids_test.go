package provisioning_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

// register registers a device under the given spelling of its id and returns the state of
// the registration.
func (f *fixture) register(t *testing.T, registrationID string, key iothub.Key) map[string]any {
	t.Helper()
	r := f.admit(t, registrationID, key)
	operation, _ := answered(t, r.Register(t.Context(), []byte(`{"registrationId":"`+registrationID+`"}`)), 202)["operationId"].(string)
	state, _ := answered(t, r.Operation(t.Context(), operation), 200)["registrationState"].(map[string]any)
	return state
}

// The ids of registrations match in any case, and a device keeps its id.
func TestRegistrationIDsInAnyCase(t *testing.T) {
	t.Parallel()

	f := start(t)
	group, key := iothub.NewKey(), iothub.NewKey()
	f.put(t, provisioning.Enrollment{GroupID: "Site", Attestation: keys(group, iothub.NewKey())}, "")
	f.put(t, provisioning.Enrollment{RegistrationID: "Gate-1", Attestation: keys(key, iothub.NewKey())}, "")
	f.put(t, provisioning.Enrollment{RegistrationID: "kept-out", Status: iothub.Disabled, Attestation: keys(key, iothub.NewKey())}, "")

	for _, test := range []struct {
		spelling string
		key      iothub.Key
		deviceID string
	}{
		{"door-a", provisioning.DeriveKey(group, "door-a"), "door-a"},
		{"Door-A", provisioning.DeriveKey(group, "Door-A"), "door-a"}, // the key derives from the id as presented
		{"door-a", provisioning.DeriveKey(group, "door-a"), "door-a"},
		{"gate-1", key, "Gate-1"}, // the individual enrollment has the first spelling
		{"GATE-1", key, "Gate-1"},
		{".door:b_2-", provisioning.DeriveKey(group, ".door:b_2-"), ".door:b_2-"},
	} {
		state := f.register(t, test.spelling, test.key)
		if state["deviceId"] != test.deviceID || state["registrationId"] != test.deviceID {
			t.Errorf("%s: the state is %v, want the device %s", test.spelling, state, test.deviceID)
		}
	}
	if devices, err := f.store.Devices(t.Context(), 10); err != nil || len(devices) != 3 {
		t.Errorf("the hub has the devices %+v, %v, want 3", devices, err)
	}

	// A disabled individual enrollment keeps the device out, however it spells its id.
	for _, spelling := range []string{"kept-out", "Kept-Out"} {
		login := f.login(spelling, provisioning.DeriveKey(group, spelling))
		if _, _, err := f.Admit(t.Context(), login); !errors.Is(err, &iothub.Error{Code: iothub.CodeUnauthorized}) {
			t.Errorf("%s: %v, want a refusal", spelling, err)
		}
	}
}

// The ids of enrollments match in any case and keep their first spelling.
func TestEnrollmentIDsInAnyCase(t *testing.T) {
	t.Parallel()

	f := start(t)
	for _, group := range []bool{false, true} {
		enrollment := func(id string) provisioning.Enrollment {
			e := provisioning.Enrollment{RegistrationID: id, Attestation: keys(iothub.NewKey(), iothub.NewKey())}
			if group {
				e.RegistrationID, e.GroupID = "", id
			}
			return e
		}
		id := func(e provisioning.Enrollment) string { return e.RegistrationID + e.GroupID }

		f.put(t, enrollment("Door-"), "")
		if _, err := f.Put(t.Context(), enrollment("door-"), ""); !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceAlreadyExists}) {
			t.Errorf("create door- after Door-: %v", err)
		}
		if e := f.put(t, enrollment("DOOR-"), "*"); id(e) != "Door-" {
			t.Errorf("the changed enrollment is %s, want Door-", id(e))
		}
		if e, err := f.Get(t.Context(), group, "door-"); err != nil || id(e) != "Door-" {
			t.Errorf("get door-: %s, %v", id(e), err)
		}
		if err := f.Delete(t.Context(), group, "dOOr-", ""); err != nil {
			t.Errorf("delete dOOr-: %v", err)
		}
		if list, err := f.List(t.Context(), group); err != nil || len(list) != 0 {
			t.Errorf("after the deletion: %+v, %v", list, err)
		}
	}
}

// A certificate of a group admits the device under any spelling of the common name.
func TestCommonNameInAnyCase(t *testing.T) {
	t.Parallel()

	f := start(t)
	ca := issue(t, nil, "authority", true)
	leaf := issue(t, ca, "Door-X", false)
	f.put(t, provisioning.Enrollment{GroupID: "authority", Attestation: provisioning.Attestation{Type: "x509",
		X509: &provisioning.X509{Signing: &provisioning.Certificates{Primary: asText(ca)}}}}, "")

	for id, admitted := range map[string]bool{"Door-X": true, "door-x": true, "door-y": false} {
		_, _, err := f.Admit(t.Context(), broker.RegistrationLogin{IDScope: f.store.IDScope(), RegistrationID: id, Chain: access.Chain{Leaf: leaf.Cert}})
		if (err == nil) != admitted {
			t.Errorf("%s: %v, want admitted %t", id, err, admitted)
		}
	}
}

// login returns a login with a token without skn, as the SDKs for Python and C send it.
func (f *fixture) login(registrationID string, key iothub.Key) broker.RegistrationLogin {
	scope := f.store.IDScope()
	return broker.RegistrationLogin{IDScope: scope, RegistrationID: registrationID,
		Password: iothub.Sign(scope+"%2Fregistrations%2F"+registrationID, key, "", now.Add(time.Hour))}
}

// Of several first registrations of an id at the same time, in different spellings, only
// one may create a device.
func TestFirstRegistrationsAtOnce(t *testing.T) {
	t.Parallel()

	f := start(t)
	group := iothub.NewKey()
	f.put(t, provisioning.Enrollment{GroupID: "site", Attestation: keys(group, iothub.NewKey())}, "")

	const doors = 20
	var registrations sync.WaitGroup
	for i := range doors {
		for _, form := range []string{"door-%d", "Door-%d", "DOOR-%d", "dooR-%d"} {
			id := fmt.Sprintf(form, i)
			r := f.admit(t, id, provisioning.DeriveKey(group, id))
			registrations.Go(func() {
				if a := r.Register(t.Context(), []byte(`{"registrationId":"`+id+`"}`)); a.Status != 202 {
					t.Errorf("%s: %d %s", id, a.Status, a.Body)
				}
			})
		}
	}
	registrations.Wait()
	if devices, err := f.store.Devices(t.Context(), 1000); err != nil || len(devices) != doors {
		t.Errorf("the hub has %d devices, %v, want %d", len(devices), err, doors)
	}
}
