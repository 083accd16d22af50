package interop

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/packaging/test/harness"
)

// writePair writes two files: one with a certificate and its intermediate certificates,
// and one with the private key.
func writePair(t *testing.T, device *certs.Pair, intermediates ...*certs.Pair) (certFile, keyFile string) {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(device.Key)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, c := range append([]*certs.Pair{device}, intermediates...) {
		chain = append(chain, c.PEM()...)
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

// deviceCertificate makes a self-signed certificate for the device "by-certificate". It
// returns the names of two files: the certificate and its private key.
func deviceCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	return writePair(t, certs.Issue(t, nil, "by-certificate", false, time.Now()))
}

// vouchedCertificate makes a CA that the hub trusts, an intermediate CA, and a
// certificate for the device "vouched". The intermediate CA signs the device's
// certificate. vouchedCertificate returns the names of two files: the certificate chain
// and the private key.
func vouchedCertificate(t *testing.T, h *harness.Hub) (certFile, keyFile string) {
	t.Helper()
	now := time.Now()
	root := certs.Issue(t, nil, "root", true, now)
	intermediate := certs.Issue(t, root, "intermediate", true, now)
	rootFile, _ := writePair(t, root)
	h.Run(t, "ca", "add", "site", rootFile).Want(t, 0)
	return writePair(t, certs.Issue(t, intermediate, "vouched", false, now), intermediate)
}
