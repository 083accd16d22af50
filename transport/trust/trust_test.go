package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
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

	first, second := newCA(t, "first"), newCA(t, "second")
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")}))
	odd := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("odd")}))
	utf16 := "\xff\xfe" + strings.Join(strings.Split(first, ""), "\x00") + "\x00"

	for name, test := range map[string]struct {
		content string
		want    string // names of the certificates, or an error that follows the file's path
	}{
		"one":                      {first, "first"},
		"two":                      {first + second, "first second"},
		"Windows line ends":        {strings.ReplaceAll(first+second, "\n", "\r\n"), "first second"},
		"byte order mark":          {"\ufeff" + first + second, "first second"},
		"two with marks":           {"\ufeff" + first + "\ufeff" + second, "first second"},
		"joined without line end":  {strings.TrimSpace(first) + second, "first second"},
		"UTF-16":                   {utf16, "first"},
		"comments":                 {"# the site's CA\n" + first + "Bag Attributes: T\xfcr\n" + second, "first second"},
		"with a key":               {key + first, "first"},
		"with an odd certificate":  {first + odd, "first"},
		"only a key":               {key, " contains a PEM block of type PRIVATE KEY, but no certificate"},
		"only an odd certificate":  {odd, " contains no certificate that can be used: x509: malformed certificate"},
		"text":                     {"not PEM", " contains no certificate in PEM format"},
		"nothing":                  {"", " contains no certificate in PEM format"},
		"DER":                      {"\x30\x82\x01", " is in DER format; convert it: openssl x509 -inform der -in OLD -out NEW"},
		"cut":                      {first + second[:len(second)-30], " has 2 PEM blocks, of which 1 cannot be read; copy the file again"},
		"damaged in the middle":    {strings.Replace(first, "\nM", "\n!", 1) + second, " has 2 PEM blocks, of which 1 cannot be read; copy the file again"},
		"UTF-16 without its start": {utf16[2:], " is UTF-16 text without a byte order mark; save it as UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			path := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			pool, err := ReadCAFile(path)
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "CA file: "+path)
			} else {
				var want []string
				all := x509.NewCertPool()
				for _, ca := range []struct{ name, text string }{{"first", first}, {"second", second}} {
					if strings.Contains(test.want, ca.name) {
						all.AppendCertsFromPEM([]byte(ca.text))
						want = append(want, ca.name)
					}
				}
				if got = strings.Join(want, " "); !pool.Equal(all) {
					got = "other certificates"
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}

	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "CA file: open ",
		dir:                        "CA file: " + dir + " is a folder",
	} {
		if _, err := ReadCAFile(path); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

// newCA returns a new certificate in PEM format.
func newCA(t *testing.T, name string) string {
	t.Helper()
	cert, _ := newPair(t, name)
	return cert
}

// newPair returns a new certificate and its key in PEM format.
func newPair(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func TestKeyPair(t *testing.T) {
	t.Parallel()

	leaf, key := newPair(t, "leaf")
	ca := newCA(t, "ca")
	const encrypted = "the private key is encrypted, and nobody can enter its passphrase; store it without one: openssl pkey -in OLD -out NEW"
	for name, test := range map[string]struct {
		chain, key string
		want       string // error; empty for a pair with two certificates
	}{
		"separate":                {leaf + ca, key, ""},
		"in one file":             {leaf + ca + key, leaf + ca + key, ""},
		"joined without line end": {strings.TrimSpace(leaf) + strings.TrimSpace(ca) + key, strings.TrimSpace(leaf) + key, ""},
		"byte order marks":        {"\ufeff" + leaf + "\ufeff" + ca, "\ufeff" + key, ""},
		"PKCS #8, encrypted":      {leaf + ca, strings.ReplaceAll(key, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), encrypted},
		"OpenSSL, encrypted": {leaf + ca, "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
			encrypted},
		"a cut key":         {leaf + ca, key[:len(key)-20], "the private key's file has 1 PEM blocks, of which 1 cannot be read; copy the file again"},
		"a cut certificate": {leaf[:len(leaf)-20], key, "the certificate's file has 1 PEM blocks, of which 1 cannot be read; copy the file again"},
		"another key":       {ca, key, "tls: private key does not match public key"},
	} {
		pair, err := KeyPair(test.chain, test.key)
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(pair.Certificate) != 2 {
			got = fmt.Sprintf("%d certificates", len(pair.Certificate))
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
