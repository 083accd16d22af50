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

// files writes the key, and the certificate with those that it is to be shown with.
func files(t *testing.T, device *certs.Pair, with ...*certs.Pair) (certFile, keyFile string) {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(device.Key)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, c := range append([]*certs.Pair{device}, with...) {
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

// deviceCertificate makes a certificate for the device "by-certificate" that
// nobody but its maker vouches for, and returns the files of it and of its key.
func deviceCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	return files(t, certs.Issue(t, nil, "by-certificate", false, time.Now()))
}

// vouchedCertificate lets the hub trust an authority, and makes a certificate of
// the device "vouched" by another one that the first has signed.
func vouchedCertificate(t *testing.T, h *harness.Hub) (certFile, keyFile string) {
	t.Helper()
	now := time.Now()
	root := certs.Issue(t, nil, "root", true, now)
	between := certs.Issue(t, root, "between", true, now)
	rootFile, _ := files(t, root)
	h.Run(t, "ca", "add", "site", rootFile).Want(t, 0)
	return files(t, certs.Issue(t, between, "vouched", false, now), between)
}
