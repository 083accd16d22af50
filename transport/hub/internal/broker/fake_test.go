package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchd/latchd/transport/iothub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the longest time that a test waits for something to happen.
const patience = 20 * time.Second

// fakeBackend is a Backend in memory. If one of its function fields is set, that
// function replaces the method of the same name.
type fakeBackend struct {
	login       func(Login) (time.Time, error)
	report      func(deviceID string, patch iothub.Object, ifVersion int64) (int64, error)
	twin        func(deviceID string) (iothub.DeviceTwin, error)
	event       func(event) error
	saveSession func(clientID string, filters map[string]byte) error

	events      chan event
	connections chan connectionEvent

	mu       sync.Mutex
	sessions map[string]map[string]byte
}

type event struct {
	deviceID string
	bag      iothub.Bag
	payload  string
}

// connectionEvent holds the arguments of a call to Backend.Connection.
type connectionEvent struct {
	deviceID  string
	connected bool
	modelID   string
}

func newFakeBackend() *fakeBackend {
	return &fakeBackend{
		events:      make(chan event, 100),
		connections: make(chan connectionEvent, 10000),
		sessions:    make(map[string]map[string]byte),
	}
}

func (f *fakeBackend) Login(_ context.Context, login Login) (time.Time, error) {
	if f.login != nil {
		return f.login(login)
	}
	if login.Password != "good" {
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "wrong key")
	}
	return time.Time{}, nil
}

func (f *fakeBackend) Twin(_ context.Context, deviceID string) (iothub.DeviceTwin, error) {
	if f.twin != nil {
		return f.twin(deviceID)
	}
	return twinOf(deviceID, 1), nil
}

func twinOf(deviceID string, version int) iothub.DeviceTwin {
	v := json.Number(strconv.Itoa(version))
	return iothub.DeviceTwin{
		Desired:  iothub.Object{"of": deviceID, "$version": v},
		Reported: iothub.Object{"$version": json.Number("1")},
	}
}

func (f *fakeBackend) Report(_ context.Context, deviceID string, patch iothub.Object, ifVersion int64) (int64, error) {
	if f.report != nil {
		return f.report(deviceID, patch, ifVersion)
	}
	return 2, nil
}

func (f *fakeBackend) Event(_ context.Context, deviceID string, bag iothub.Bag, payload []byte) error {
	e := event{deviceID, bag, string(payload)}
	if f.event != nil {
		return f.event(e)
	}
	f.events <- e
	return nil
}

func (f *fakeBackend) Connection(deviceID string, connected bool, modelID string) {
	f.connections <- connectionEvent{deviceID, connected, modelID}
}

func (f *fakeBackend) SaveSession(_ context.Context, clientID string, filters map[string]byte) error {
	if f.saveSession != nil {
		if err := f.saveSession(clientID, filters); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[clientID] = maps.Clone(filters)
	return nil
}

func (f *fakeBackend) DeleteSession(_ context.Context, clientID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, clientID)
	return nil
}

func (f *fakeBackend) Sessions(context.Context) (map[string]map[string]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sessions), nil
}

func (f *fakeBackend) stored(clientID string) map[string]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[clientID]
}

// front is a running broker with a TLS listener. It also holds the address and the TLS
// settings that clients need.
type front struct {
	*Broker
	backend *fakeBackend
	addr    string
	client  *tls.Config
}

// start runs a broker with the given backend until the test ends.
func start(t testing.TB, backend *fakeBackend, opts Options) *front {
	t.Helper()
	server, client := certificates(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(backend, opts)
	if err != nil {
		t.Fatal(err)
	}

	served := make(chan error, 1)
	go func() { served <- b.Serve(listener) }()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &front{Broker: b, backend: backend, addr: listener.Addr().String(), client: client}
}

// certificates returns TLS settings for a server and a client. The server requests a
// client certificate and does not verify it. The client has a certificate.
func certificates(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}

	pool := x509.NewCertPool()
	pool.AddCert(cert)
	pair := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert},
		&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}

// nextConnection waits for the next call to Backend.Connection and returns the call's
// arguments.
func (f *front) nextConnection(t testing.TB) connectionEvent {
	t.Helper()
	return next(t, f.backend.connections)
}

func next[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing arrived within %v", patience)
		panic("unreachable")
	}
}

// awaitReady waits until the device can receive methods.
func (f *front) awaitReady(t testing.TB, deviceID string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.Wait(ctx, deviceID); err != nil {
		t.Fatal(err)
	}
}

// invokeResult holds the arguments that Invoke has passed to its done function.
type invokeResult struct {
	response iothub.MethodResponse
	err      error
}

// invoke calls a direct method and returns a channel, on which the result will arrive.
func (b *Broker) invoke(deviceID, name, payload string, seconds int) <-chan invokeResult {
	ch := make(chan invokeResult, 2) // the second element lets a test see a wrong second result
	b.Invoke(deviceID, iothub.MethodRequest{MethodName: name, Payload: json.RawMessage(payload), ResponseTimeoutInSeconds: seconds},
		func(r iothub.MethodResponse, err error) { ch <- invokeResult{r, err} })
	return ch
}

func wantCode(t testing.TB, err error, code iothub.Code) {
	t.Helper()
	if !errors.Is(err, &iothub.Error{Code: code}) {
		t.Errorf("the error is %v, want %s", err, code)
	}
}
