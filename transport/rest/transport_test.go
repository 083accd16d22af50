package rest

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/trust"
)

// answerTwin answers each request with an empty twin.
func answerTwin(w http.ResponseWriter, _ *http.Request) { respond(w, 200, `{"deviceId":"d"}`) }

// A client that runs for a long time must use a renewed CA file without a restart.
func TestRenewedCAFile(t *testing.T) {
	t.Parallel()

	hub := startHub(t, answerTwin)
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(cert *x509.Certificate) {
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(otherCA(t))
	c, _ := hub.client(t, func(o *Options) { o.RootCAs = trust.CAFile(file) })
	if _, err := c.Twin(t.Context(), "d"); !isKind(err, NotTrusted) {
		t.Errorf("with another CA: %v", err)
	}

	write(hub.Certificate())
	if _, err := c.Twin(t.Context(), "d"); err != nil {
		t.Errorf("with the hub's CA: %v", err)
	}

	// While a program writes the file, the earlier certificates remain valid.
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	c.CloseIdleConnections()
	if _, err := c.Twin(t.Context(), "d"); err != nil {
		t.Errorf("with half a file: %v", err)
	}

	// From the next change on, connections that trusted the old CA are not used any more.
	write(otherCA(t))
	if _, err := c.Twin(t.Context(), "d"); !isKind(err, NotTrusted) {
		t.Errorf("with another CA again: %v", err)
	}
}

func isKind(err error, kind NetworkKind) bool {
	e, ok := errors.AsType[*NetworkError](err)
	return ok && e.Kind == kind
}

// otherCA returns a certificate that has not signed the certificate of any hub.
func otherCA(t *testing.T) *x509.Certificate { return certs.Issue(t, nil, "other", true, testNow).Cert }

// An address that accepts connections but does not speak TLS must not block the client.
func TestAddressWithoutTLS(t *testing.T) {
	t.Parallel()

	hub := startHub(t, answerTwin)
	_, port, _ := net.SplitHostPort(hub.Listener.Addr().String())
	silent, accepted := listenSilently(t, "127.0.0.2:"+port)
	defer silent.Close()

	roots := x509.NewCertPool()
	roots.AddCert(hub.Certificate())
	c, _ := hub.client(t, func(o *Options) {
		o.Endpoint = &url.URL{Host: "example.com:" + port}
		o.Transport = &transport{roots: trust.Pool(roots), lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
		}}
	})
	for i := range 3 {
		if _, err := c.Twin(t.Context(), "d"); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		c.CloseIdleConnections()
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("the client connected to the silent address %d times, want once", n)
	}
}

// If no address speaks TLS, the hub is unreachable: it has not received the request.
func TestNoAddressSpeaksTLS(t *testing.T) {
	t.Parallel()

	hub := startHub(t, answerTwin)
	silent, _ := listenSilently(t, "127.0.0.1:0")
	defer silent.Close()
	c, _ := hub.client(t, func(o *Options) {
		o.Endpoint = &url.URL{Host: silent.Addr().String()}
		o.Transport = &transport{handshakeTime: 50 * time.Millisecond}
	})
	if _, err := c.Twin(t.Context(), "d"); !isKind(err, Unreachable) || !strings.Contains(err.Error(), "does not answer the TLS handshake") {
		t.Errorf("got %v", err)
	}
}

// listenSilently accepts connections at an address and never answers. It returns the number
// of connections so far.
func listenSilently(t *testing.T, address string) (net.Listener, *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}

	accepted := new(atomic.Int32)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			go func() {
				io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()
	return l, accepted
}
