package provisioning_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

// An enrollment registers new devices and the devices that it registered earlier, but no
// others.
func TestEnrollmentOwnsOnlyItsDevices(t *testing.T) {
	t.Parallel()

	siteA, siteB, own := iothub.NewKey(), iothub.NewKey(), iothub.NewKey()
	register := func(t *testing.T, f *fixture, id string, key iothub.Key) int {
		t.Helper()
		return f.admit(t, id, key).Register(t.Context(), []byte(`{}`)).Status
	}
	groupKey := func(group iothub.Key, id string) iothub.Key { return provisioning.DeriveKey(group, id) }

	for name, test := range map[string]struct {
		before func(t *testing.T, f *fixture) // creates the device "vault"
		want   int
	}{
		"a new device": {func(*testing.T, *fixture) {}, 202},
		"a device created by hand": {func(t *testing.T, f *fixture) {
			if _, err := f.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "vault"}); err != nil {
				t.Fatal(err)
			}
		}, 409},
		"a device of another group": {func(t *testing.T, f *fixture) { register(t, f, "vault", groupKey(siteA, "vault")) }, 409},
		"a device of an individual enrollment": {func(t *testing.T, f *fixture) {
			f.put(t, provisioning.Enrollment{RegistrationID: "safe", DeviceID: "vault", Attestation: keys(own, own)}, "")
			register(t, f, "safe", own)
		}, 409},
		"its own device": {func(t *testing.T, f *fixture) { register(t, f, "vault", groupKey(siteB, "vault")) }, 202},
		"a device that was deleted and created again by hand": {func(t *testing.T, f *fixture) {
			register(t, f, "vault", groupKey(siteB, "vault"))
			if err := f.store.DeleteDevice(t.Context(), "vault", "*"); err != nil {
				t.Fatal(err)
			}
			if _, err := f.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "vault"}); err != nil {
				t.Fatal(err)
			}
		}, 409},
		"a deleted device of another group": {func(t *testing.T, f *fixture) {
			register(t, f, "vault", groupKey(siteA, "vault"))
			if err := f.store.DeleteDevice(t.Context(), "vault", "*"); err != nil {
				t.Fatal(err)
			}
		}, 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			f := start(t)
			f.put(t, provisioning.Enrollment{GroupID: "site-a", Attestation: keys(siteA, siteA)}, "")
			f.put(t, provisioning.Enrollment{GroupID: "site-b", Attestation: keys(siteB, siteB)}, "")
			test.before(t, f)
			before, _ := f.store.Device(t.Context(), "vault")

			if got := register(t, f, "vault", groupKey(siteB, "vault")); got != test.want {
				t.Errorf("the registration got status %d, want %d", got, test.want)
			}

			after, err := f.store.Device(t.Context(), "vault")
			if err != nil {
				t.Fatal(err)
			}
			if test.want == 409 && (*after.Authentication != *before.Authentication || len(f.disconnected) > 0) {
				t.Errorf("the refused registration changed the device's keys or disconnected it")
			}
		})
	}
}

// A release without owners recorded only the registration of each device. After an
// upgrade these devices can register again, and devices created by hand stay protected.
func TestDevicesOfAnEarlierRelease(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "hub.db")
	f := startAt(t, path)
	site := iothub.NewKey()
	f.put(t, provisioning.Enrollment{GroupID: "site", Attestation: keys(site, site)}, "")
	f.admit(t, "door", provisioning.DeriveKey(site, "door")).Register(t.Context(), []byte(`{}`))
	if _, err := f.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "vault"}); err != nil {
		t.Fatal(err)
	}

	err := f.store.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`ALTER TABLE devices DROP COLUMN owner; DROP INDEX jobs_unfinished;
			ALTER TABLE jobs DROP COLUMN bytes; PRAGMA user_version = 3`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	f = startAt(t, path)

	for range 2 {
		answered(t, f.admit(t, "door", provisioning.DeriveKey(site, "door")).Register(t.Context(), []byte(`{}`)), 202)
	}
	answered(t, f.admit(t, "vault", provisioning.DeriveKey(site, "vault")).Register(t.Context(), []byte(`{}`)), 409)
}

// If the hub cannot read its store, a device must try again later. It must not conclude
// that its credentials are wrong.
func TestStoreErrorIsNotARefusal(t *testing.T) {
	t.Parallel()

	f := start(t)
	key := iothub.NewKey()
	f.put(t, provisioning.Enrollment{RegistrationID: "door", Attestation: keys(key, key)}, "")
	r := f.admit(t, "door", key)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}

	answer := r.Register(t.Context(), []byte(`{}`))
	answered(t, answer, 500)
	if answer.RetryAfter == 0 {
		t.Error("the answer does not ask the device to try again later")
	}
}
