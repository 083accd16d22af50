package hub

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/latchd/latchd/transport/durable"
)

const (
	caLife = 10 * 365 * 24 * time.Hour
	// Certificates begin a little before now, for devices whose clock is behind.
	clockSlack = 24 * time.Hour
)

// authority is the hub's own CA.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// loadAuthority reads ca.pem and ca.key from dir, or makes them if there are none.
func loadAuthority(dir, name string, now time.Time) (authority, error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	cert, key, err := readPair(certFile, keyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Half a pair is not replaced: clients may trust the certificate that is there.
		for _, file := range []string{certFile, keyFile} {
			if _, err := os.Stat(file); err == nil {
				return authority{}, fmt.Errorf("%s is there without its other half; restore both ca.pem and ca.key, or remove it for a new CA", file)
			}
		}
		return makeAuthority(certFile, keyFile, name, now)
	case err != nil:
		return authority{}, fmt.Errorf("the hub's CA: %w; restore ca.pem and ca.key, or remove both for a new CA", err)
	case !now.Before(cert.NotAfter):
		return authority{}, fmt.Errorf("the hub's CA ended on %s; remove ca.pem and ca.key for a new one, which all clients must then get",
			cert.NotAfter.Format(time.DateOnly))
	}
	return authority{cert, key}, nil
}

func makeAuthority(certFile, keyFile, name string, now time.Time) (authority, error) {
	template := &x509.Certificate{
		// The date tells CAs of one hub apart, for whoever has several in a list.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("latchhub CA of %s, %s", name, now.UTC().Format(time.DateOnly))},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, key, err := authority{}.issue(template)
	if err != nil {
		return authority{}, fmt.Errorf("make the hub's CA: %w", err)
	}
	// The key first: a certificate without its key would be of no use.
	if err := writePair(certFile, keyFile, cert, key); err != nil {
		return authority{}, err
	}
	return authority{cert, key}, nil
}

// issue signs a certificate for a new key; without a CA of its own it signs itself.
func (a authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	parent, signer := a.cert, a.key
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

func readPair(certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	certDER, err := readPEM(certFile, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := readPEM(keyFile, "PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", certFile, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not a private key", keyFile)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s is not the key of %s", keyFile, certFile)
	}
	return cert, key, nil
}

func writePair(certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := durable.Replace(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return durable.Replace(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644)
}

func readPEM(file, kind string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(content)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s is not one PEM block of type %s", file, kind)
	}
	return block.Bytes, nil
}
