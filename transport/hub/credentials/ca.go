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
	// clockSlack is how long before their creation certificates become valid, for
	// devices whose clock is behind.
	clockSlack = 24 * time.Hour
)

// hubCA is the hub's certificate authority (CA), which signs the server certificate.
// Clients of the hub must trust it.
type hubCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// loadCA reads ca.pem and ca.key from dir. It creates a new CA if both are missing.
func loadCA(dir, hubName string, now time.Time) (hubCA, error) {
	files := keyPair{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")}
	cert, key, err := files.read()

	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Clients may trust an existing ca.pem, so half a pair is never overwritten.
		for _, file := range []string{files.cert, files.key} {
			if _, err := os.Stat(file); err == nil {
				return hubCA{}, fmt.Errorf("%s exists, but not the other half of the pair; restore both ca.pem and ca.key, or remove the file to get a new CA", file)
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
		// The date tells the hub's CAs apart in a client's list of trusted certificates.
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

// issue creates a key and a certificate for it from the template. The CA signs the
// certificate. The zero hubCA makes the certificate sign itself.
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
