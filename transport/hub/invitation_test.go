package hub_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/provisioning"
	"github.com/latchd/latchd/transport/trust"
)

// invite requests an invitation of a door and returns the content of its code.
func (r *running) invite(id string) invitation.Door {
	r.t.Helper()
	var answer struct{ Code string }
	r.do(http.MethodPut, "/invitations/doors/"+id, struct{}{}, &answer)
	door, err := invitation.ParseDoor(answer.Code)
	if err != nil {
		r.t.Fatal(err)
	}
	return door
}

// register registers a device as latchd does. It returns the device's new key.
func (r *running) register(door invitation.Door) (iothub.Key, error) {
	r.t.Helper()
	a, err := provisioning.Register(r.t.Context(), provisioning.Options{
		Endpoint: "localhost:" + port(r.at.MQTT), IDScope: door.IDScope, RegistrationID: door.RegistrationID, Key: door.Key, RootCAs: trust.Pool(r.roots),
	})
	if err != nil {
		return nil, err
	}
	var payload struct{ DeviceKey string }
	if err := json.Unmarshal(a.Payload, &payload); err != nil {
		r.t.Fatalf("the payload is %s: %v", a.Payload, err)
	}
	return iothub.ParseKey(payload.DeviceKey)
}

func pool(door invitation.Door) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(door.CA)
	return roots
}

func port(address net.Addr) string {
	_, port, _ := net.SplitHostPort(address.String())
	return port
}

// The first login with the key of the latest registration ends the code, even across a
// restart of the hub. A token of a policy does not.
func TestStolenCodeIsRefused(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	r := start(t, dir)
	door := r.invite("front")
	if door.Hub != "hub.test:"+port(r.at.MQTT) || !r.roots.Equal(pool(door)) {
		t.Errorf("the code is for %s with the CA %s", door.Hub, door.CA.Subject)
	}

	stolen, err := r.register(door)
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = start(t, dir)
	if !r.canLogIn(policy(t, dir, "device", false), "front") {
		t.Error("a token of the policy device is refused")
	}
	key, err := r.register(door) // the answer of the first registration is lost
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.connect("front", stolen, true); err == nil {
		t.Error("the key of the first registration is still valid")
	}
	if _, err := r.connect("front", door.Key, true); err == nil {
		t.Error("the one-time key is a key of the device")
	}

	d, err := r.connect("front", key, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Disconnect(0)
	_, err = r.register(door)
	if refusal, ok := errors.AsType[*provisioning.Error](err); !ok || refusal.Reason != provisioning.Unauthorized {
		t.Errorf("the stolen code at its second use: %v", err)
	}
	r.stop()
	r = start(t, dir)
	if _, err = r.register(door); err == nil {
		t.Error("the stolen code is valid again after a restart")
	}
	if _, err := r.connect("front", key, true); err != nil {
		t.Errorf("the door cannot log in again: %v", err)
	}
}

// A backup may contain invitations whose codes are used after it. They must not become
// valid again.
func TestRestoreEndsInvitations(t *testing.T) {
	t.Parallel()

	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup.tar")
	r := start(t, dir)
	door := r.invite("front")
	if err := hub.Backup(t.Context(), dir, file); err != nil {
		t.Fatal(err)
	}
	r.stop()

	restored := t.TempDir()
	if _, err := hub.Restore(t.Context(), restored, file); err != nil {
		t.Fatal(err)
	}
	r = start(t, restored)
	if _, err := r.register(door); err == nil {
		t.Error("the code is valid at the restored hub")
	}
}
