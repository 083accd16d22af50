package credentials

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/latchd/latchd/transport/durable"
)

// keyPair names the two PEM files of a certificate and its private key.
type keyPair struct{ cert, key string }

// read reads both files of the pair and checks that the private key belongs to the
// certificate.
func (files keyPair) read() (*x509.Certificate, crypto.Signer, error) {
	certDER, err := readPEM(files.cert, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := readPEM(files.key, "PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}

	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", files.cert, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is not a private key", files.key)
	}

	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s is not the key of %s", files.key, files.cert)
	}
	return cert, key, nil
}

// write writes the key file first and then the certificate file, because a certificate
// without its key is useless.
func (files keyPair) write(cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}

	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := durable.Replace(files.key, keyPEM, 0o600); err != nil {
		return err
	}

	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	return durable.Replace(files.cert, certPEM, 0o644)
}

// readPEM returns the content of a file that must have exactly one PEM block, of the
// given type.
func readPEM(file, blockType string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(content)
	if block == nil || block.Type != blockType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s does not have exactly one PEM block of type %s", file, blockType)
	}
	return block.Bytes, nil
}
