package trust

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExplain(t *testing.T) {
	t.Parallel()

	named := &x509.Certificate{DNSNames: []string{"hub.example"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}

	tests := []struct {
		name              string
		err               error
		clientCertificate bool
		kind              Kind // 0 if Explain returns nil
		want              string
	}{
		{"unknown authority", x509.UnknownAuthorityError{}, false, UnknownAuthority,
			"its certificate was issued by an authority that this computer does not trust; " +
				"if the server is your own, set --ca-file to the file with its CA certificate"},
		{"another name", x509.HostnameError{Certificate: named}, false, WrongName,
			"its certificate is for hub.example, 10.0.0.1, not for other.example; use one of the certificate's names as the endpoint"},
		{"no name", x509.HostnameError{Certificate: &x509.Certificate{}}, false, WrongName,
			"its certificate is for no name, not for other.example; use one of the certificate's names as the endpoint"},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, false, InvalidCertificate,
			"its certificate has expired or is not valid yet; compare this computer's clock (2026-11-23T12:00:00Z) with the dates of the certificate"},
		{"not for servers", x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}, false, InvalidCertificate,
			"its certificate is invalid: x509: certificate specifies an incompatible key usage; install a valid certificate on the server"},
		{"no TLS", tls.RecordHeaderError{}, false, NoTLS,
			"it does not speak TLS on this port; check the port of the endpoint"},
		{"plain HTTP", http.ErrSchemeMismatch, false, NoTLS,
			"it does not speak TLS on this port; check the port of the endpoint"},
		{"alert", alert, false, Refused,
			"it refused the TLS connection (tls: bad certificate); check that the server accepts TLS 1.2 or later"},
		{"alert to a client with a certificate", alert, true, Refused,
			"it refused the device's certificate (tls: bad certificate); " +
				"check that the certificate is valid now and is registered for the device"},
		{"end of file", io.EOF, false, 0, ""},
		{"failed dial", &net.OpError{Op: "dial", Err: errors.New("refused")}, false, 0, ""},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			handshake := Handshake{
				Host:              "other.example",
				Time:              time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
				CAOption:          "--ca-file",
				ClientCertificate: test.clientCertificate,
			}

			failure := handshake.Explain(fmt.Errorf("wrapped: %w", test.err))
			if failure == nil {
				if test.kind != 0 {
					t.Fatalf("no explanation, want %q", test.want)
				}
				return
			}
			if failure.Kind != test.kind || failure.Error() != test.want {
				t.Errorf("kind %d, %q; want kind %d, %q", failure.Kind, failure, test.kind, test.want)
			}
		})
	}
}

func TestReadCAFile(t *testing.T) {
	t.Parallel()

	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dir := t.TempDir()

	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	good := write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	text := write("text", []byte("not PEM"))

	pool, err := ReadCAFile(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Certificate().Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		t.Errorf("the pool does not contain the certificate of the file: %v", err)
	}

	for path, want := range map[string]string{
		text:                       "CA file: " + text + " contains no certificate in PEM format",
		filepath.Join(dir, "none"): "CA file: open ",
		dir:                        "CA file: read ",
	} {
		if _, err := ReadCAFile(path); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}
