package rest

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

// testNow is the fixed time of the client's clock. It is not a whole second.
var testNow = time.Date(2026, 11, 23, 12, 0, 0, 250e6, time.UTC)

var testKey = iothub.Key("a key of thirty-two bytes, nearly")

// call is a request that the simulated hub received.
type call struct {
	Method, URI, Body string
	Header            http.Header
}

// recorder is a simulated hub. It records the requests, and a test decides how it
// answers.
type recorder struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

// startHub starts a simulated hub with TLS. The hub records each request before it
// calls answer.
func startHub(t *testing.T, answer http.HandlerFunc) *recorder {
	t.Helper()

	h := &recorder{}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.calls = append(h.calls, call{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		h.mu.Unlock()
		answer(w, r)
	}))

	h.Server.Config.ErrorLog = quiet()
	h.Server.StartTLS()
	t.Cleanup(h.Server.Close)
	return h
}

// recorded returns all requests that the hub has received so far.
func (h *recorder) recorded() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]call(nil), h.calls...)
}

func (h *recorder) endpoint(t *testing.T) *url.URL {
	t.Helper()
	u, err := ParseEndpoint(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// client returns a client that sends requests to the simulated hub. It also returns a
// list of the client's waits. The waits take no time.
func (h *recorder) client(t *testing.T, change ...func(*Options)) (*Client, *[]time.Duration) {
	t.Helper()

	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	slept := new([]time.Duration)

	opts := Options{
		Endpoint:  h.endpoint(t),
		RootCAs:   trust.Pool(roots),
		UserAgent: "test/1",
		Now:       func() time.Time { return testNow },
		Sleep: func(ctx context.Context, d time.Duration) error {
			*slept = append(*slept, d)
			return ctx.Err()
		},
		Jitter: func() float64 { return 0.5 },
	}

	for _, f := range change {
		f(&opts)
	}
	c := New(iothub.Service{HostName: "Hub.example:8443", KeyName: "iothubowner", Key: testKey}, opts)
	t.Cleanup(c.CloseIdleConnections)
	return c, slept
}

// respond sends an answer with the given status and JSON body.
func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// refuse sends an error answer in the form of IoT Hub's service API.
func refuse(w http.ResponseWriter, code iothub.Code, message string) {
	e := iothub.Errorf(code, "%s", message)
	respond(w, e.Status, string(e.Body(testNow)))
}
