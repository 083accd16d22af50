package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
)

// authority is a certificate with the right to sign others, and its key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate, by the authority or by itself if there is none.
func (a *authority) issue(t *testing.T, commonName string, isCA bool) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName},
		IsCA: isCA, BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// files writes the key, and the certificate with those that it is to be shown with.
func (a *authority) files(t *testing.T, with ...*authority) (certFile, keyFile string) {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, c := range append([]*authority{a}, with...) {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})...)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string][]byte{
		certFile: chain, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// deviceCertificate makes a certificate for the device "by-certificate" that
// nobody but its maker vouches for, and returns the files of it and of its key.
func deviceCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	var nobody *authority
	return nobody.issue(t, "by-certificate", false).files(t)
}

// vouchedCertificate lets the hub trust an authority, and makes a certificate of
// the device "vouched" by another one that the first has signed.
func vouchedCertificate(t *testing.T, h *harness.Hub) (certFile, keyFile string) {
	t.Helper()
	var nobody *authority
	root := nobody.issue(t, "root", true)
	between := root.issue(t, "between", true)
	rootFile, _ := root.files(t)
	h.Run(t, "ca", "add", "site", rootFile).Want(t, 0)
	return between.issue(t, "vouched", false).files(t, between)
}
