package trust

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
)

// maxFileSize limits how many bytes of a CA file are read.
const maxFileSize = 1 << 20

// ReadCAFile returns the CA certificates in a PEM file. It ignores all bytes after the
// first MiB.
func ReadCAFile(path string) (*x509.CertPool, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	defer file.Close()

	content, err := io.ReadAll(io.LimitReader(file, maxFileSize))
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}

	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("CA file: %s contains no certificate in PEM format", path)
	}

	return pool, nil
}
