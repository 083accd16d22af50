package trust

import (
	"crypto/x509"
	"fmt"

	"github.com/latchd/latchd/transport/textfile"
)

// maxFileSize is the size, in bytes, of the largest CA file.
const maxFileSize = 1 << 20

// ReadCAFile returns the CA certificates in a PEM file of at most 1 MiB. Package textfile
// says which kinds of text it reads.
func ReadCAFile(path string) (*x509.CertPool, error) {
	text, err := textfile.Read(path, maxFileSize)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	certs, err := certificates(text)
	if err != nil {
		return nil, fmt.Errorf("CA file: %s %w", path, err)
	}

	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}
