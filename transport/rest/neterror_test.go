package rest

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

// failingTransport is an HTTP transport that fails each request with err.
type failingTransport struct{ err error }

func (f failingTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNetworkErrors(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/twins/slow" {
			<-r.Context().Done()
			return
		}
		panic(http.ErrAbortHandler)
	})

	closed := startHub(t, nil)
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()

	tests := []struct {
		name   string
		device string
		change func(*Options)
		kind   NetworkKind
		want   []string
	}{
		{"nothing listens", "d", func(o *Options) { o.Endpoint = closed.endpoint(t) }, Unreachable, []string{closed.Listener.Addr().String(), "not reachable", "refused"}},
		{"unknown authority", "d", func(o *Options) { o.RootCAs = trust.Pool(x509.NewCertPool()) }, NotTrusted, []string{"does not trust", "--ca-file"}},
		{"another name", "d", func(o *Options) {
			o.Endpoint = &url.URL{Host: "localhost:" + o.Endpoint.Port()}
		}, WrongName, []string{"for example.com, *.example.com, 127.0.0.1, ::1, not for localhost"}},
		{"no TLS", "d", func(o *Options) { o.Endpoint = &url.URL{Host: plain.Listener.Addr().String()} }, NotValid, []string{"does not speak TLS"}},
		{"no answer", "slow", func(o *Options) { o.Timeout = 50 * time.Millisecond }, Unanswered, []string{"no answer within 50ms"}},
		{"lost", "d", nil, Disconnected, []string{"lost before the answer arrived"}},
		{"no such host", "d", func(o *Options) {
			o.Transport = failingTransport{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "nowhere", IsNotFound: true}}}
		}, Unreachable, []string{"no host named nowhere"}},
		{"expired", "d", func(o *Options) {
			o.Transport = failingTransport{x509.CertificateInvalidError{Reason: x509.Expired}}
		}, NotValid, []string{"clock (2026-11-23T12:00:00Z)"}},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var changes []func(*Options)
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			c, _ := hub.client(t, changes...)
			_, err := c.Twin(t.Context(), tt.device)
			e, ok := errors.AsType[*NetworkError](err)
			if !ok || e.Kind != tt.kind {
				t.Fatalf("error %v, want kind %d", err, tt.kind)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q, want %q in it", err, part)
				}
			}
			if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "SharedAccess") {
				t.Errorf("the error %q has more than one line or contains a secret", err)
			}
		})
	}
}

// If the caller's context has ended, the client must return the error of that context.
func TestCancelledRequest(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // close the connection without an answer
	})
	c, _ := hub.client(t)
	if _, err := c.Twin(ctx, "d"); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   iothub.Error
	}{
		{"documented", func(w http.ResponseWriter, r *http.Request) { refuse(w, iothub.CodeDeviceNotFound, "no d") },
			iothub.Error{Status: 404, Code: iothub.CodeDeviceNotFound, Message: "no d"}},
		{"code in a header", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("iothub-errorcode", "ServerError")
			w.WriteHeader(500)
		}, iothub.Error{Status: 500, Code: iothub.CodeServerError}},
		{"a proxy's page", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "go away\nplease", http.StatusProxyAuthRequired)
		},
			iothub.Error{Status: 407, Message: "go away"}},
		{"empty", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }, iothub.Error{Status: 502, Message: "bad gateway"}},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Location", "/x"); w.WriteHeader(302) },
			iothub.Error{Status: 302, Message: "found"}},
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub := startHub(t, tt.answer)
			c, _ := hub.client(t)
			_, err := c.Twin(t.Context(), "d")
			e, ok := errors.AsType[*iothub.Error](err)
			if !ok || e.Status != tt.want.Status || e.Code != tt.want.Code || e.Message != tt.want.Message {
				t.Errorf("error %#v, want %#v", err, tt.want)
			}
			if n := len(hub.recorded()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestNotAHub(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) })
	c, _ := hub.client(t)
	if _, err := c.Twin(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), "check that the address belongs to a hub") {
		t.Errorf("error %v", err)
	}
}

func TestParseEndpoint(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"https://h:8443": "h:8443", "h:8443": "h:8443", "https://h/": "h", "h": "h", "https://[::1]:1": "[::1]:1", "10.0.0.1:8443": "10.0.0.1:8443",
		"http://h:1": "", "https://": "", "": "", "https://u:p@h": "", "https://h/path": "", "https://h?x=1": "", "h:port": "", "://": "",
	} {
		u, err := ParseEndpoint(text)
		if (err == nil) != (want != "") || err == nil && u.Host != want {
			t.Errorf("%q: %v, %v; want %q", text, u, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error %q contains the password", text, err)
		}
	}
}

func TestDefaultEndpoint(t *testing.T) {
	t.Parallel()

	for host, want := range map[string]string{"hub.example": "hub.example:443", "hub.example:8443": "hub.example:8443"} {
		if got := New(iothub.Service{HostName: host}, Options{}).Address(); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
