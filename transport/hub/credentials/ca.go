package credentials

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	caLifetime = 10 * 365 * 24 * time.Hour
	// A certificate is valid from clockSlack before its creation, so that a device with
	// a slow clock accepts it.
	clockSlack = 24 * time.Hour
)

// hubCA is the hub's certificate authority (CA), which signs the server certificate.
// Clients of the hub must trust the CA.
type hubCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// loadCA reads ca.pem and ca.key from dir. If both files are missing, it creates a new
// CA.
func loadCA(dir, hubName string, now time.Time) (hubCA, error) {
	files := keyPair{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")}
	cert, key, err := files.read()

	switch {
	case errors.Is(err, fs.ErrNotExist):
		// If only one of the two files exists, loadCA fails instead of creating a new
		// CA, because clients may already trust the existing certificate.
		for present, missing := range map[string]string{files.cert: files.key, files.key: files.cert} {
			if _, err := os.Stat(present); err == nil {
				return hubCA{}, fmt.Errorf("%[1]s exists, but %[2]s is missing; restore the missing file, or remove %[1]s to get a new CA", present, missing)
			}
		}
		return createCA(files, hubName, now)

	case err != nil:
		return hubCA{}, fmt.Errorf("the hub's CA: %w; restore ca.pem and ca.key, or remove both to get a new CA", err)

	case !now.Before(cert.NotAfter):
		return hubCA{}, fmt.Errorf("the hub's CA expired on %s; remove ca.pem and ca.key to get a new one, then give the new ca.pem to all clients",
			cert.NotAfter.Format(time.DateOnly))
	}

	return hubCA{cert, key}, nil
}

// createCA creates a self-signed CA and writes it to files.
func createCA(files keyPair, hubName string, now time.Time) (hubCA, error) {
	template := &x509.Certificate{
		// The date in the name distinguishes several CAs of one hub in a client's list
		// of trusted certificates.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("latchhub CA of %s, %s", hubName, now.UTC().Format(time.DateOnly))},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(caLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, key, err := hubCA{}.issue(template)
	if err != nil {
		return hubCA{}, fmt.Errorf("create the hub's CA: %w", err)
	}

	if err := files.write(cert, key); err != nil {
		return hubCA{}, err
	}
	return hubCA{cert, key}, nil
}

// issue creates a key, and a certificate for this key from the template. The CA signs
// the certificate. If ca is the zero hubCA, the certificate is self-signed.
func (ca hubCA) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}

	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = template, key
	}

	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}
