package harness

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

// Client returns a client of the hub's service API. Tests use it to prepare and check
// the hub's state.
func (h *Hub) Client(t testing.TB) *rest.Client {
	t.Helper()
	service, err := iothub.ParseService(h.Service(t))
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := rest.ParseEndpoint(h.Endpoint())
	if err != nil {
		t.Fatal(err)
	}

	client := rest.New(service, rest.Options{Endpoint: endpoint, RootCAs: trust.Pool(h.Roots(t))})
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// clientOf says which hub and which key a client is for.
type clientOf struct {
	process *Process
	service string
}

// client returns the client for the methods of Hub. They share it, because a test that
// polls would otherwise spend its time in TLS handshakes.
func (h *Hub) client(t testing.TB) *rest.Client {
	t.Helper()
	now := clientOf{h.Process, h.Service(t)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.own == nil || h.made != now {
		h.own, h.made = h.Client(t), now
	}
	return h.own
}

// Roots returns the CA certificates that the hub's clients must trust.
func (h *Hub) Roots(t testing.TB) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(h.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s has no certificate", h.CA())
	}
	return roots
}

// CreateDevice registers a device in the hub. It returns the hub's host name, the
// device's id and the device's key.
func (h *Hub) CreateDevice(t testing.TB, id string) iothub.Device {
	t.Helper()
	client := h.client(t)
	identity, err := client.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id})
	if err != nil {
		t.Fatal(err)
	}
	key, err := iothub.ParseKey(identity.Authentication.SymmetricKey.PrimaryKey)
	if err != nil {
		t.Fatal(err)
	}
	return iothub.Device{HostName: client.HostName(), DeviceID: id, Key: key}
}

// Twin reads a device's twin through the hub's service API.
func (h *Hub) Twin(t testing.TB, id string) iothub.Twin {
	t.Helper()
	twin, err := h.client(t).Twin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return twin
}

// UpdateDesired applies a JSON patch to a device's desired properties. It returns the
// new version of the properties.
func (h *Hub) UpdateDesired(t testing.TB, id, patch string) int64 {
	t.Helper()
	desired, err := iothub.ParseObject([]byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	twin, err := h.client(t).UpdateTwin(t.Context(), id, iothub.TwinPatch{Properties: &iothub.TwinPatchProperties{Desired: desired}}, "")
	if err != nil {
		t.Fatal(err)
	}
	return twin.Properties.Desired.Version()
}

// Invoke calls a method of a device. The hub waits up to a minute until the device is
// connected and has subscribed to methods.
func (h *Hub) Invoke(t testing.TB, id, method string, payload any) iothub.MethodResponse {
	t.Helper()
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*Patience)
	defer cancel()
	response, err := h.client(t).InvokeMethod(ctx, id, iothub.MethodRequest{
		MethodName: method, Payload: text, ResponseTimeoutInSeconds: 30, ConnectTimeoutInSeconds: 60})
	if err != nil {
		t.Fatalf("method %s of %s: %v", method, id, err)
	}
	return response
}

// Rows returns the rows of a job. The keys are device ids. Rows fails the test if a
// device has two rows.
func (h *Hub) Rows(t testing.TB, jobID string) map[string]iothub.DeviceJob {
	t.Helper()
	rows := make(map[string]iothub.DeviceJob)
	for row, err := range h.client(t).DeviceJobs(t.Context(), jobID) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := rows[row.DeviceID]; twice {
			t.Errorf("job %s has more than one row for %s", jobID, row.DeviceID)
		}
		rows[row.DeviceID] = row
	}
	return rows
}
