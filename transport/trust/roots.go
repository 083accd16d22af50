package trust

import (
	"crypto/x509"
	"os"
	"sync"
)

// Roots returns the CA certificates that may vouch for a server. A nil pool means the
// system's CA certificates. Clients call the function for each connection, so renewed
// certificates take effect without a restart.
type Roots func() (*x509.CertPool, error)

// Pool returns Roots that always return the given pool.
func Pool(pool *x509.CertPool) Roots {
	return func() (*x509.CertPool, error) { return pool, nil }
}

// CAFile returns Roots that read a file as ReadCAFile does. They read it again only after
// it has changed. If the file was readable once and is not now, for example because a
// program is just writing it, the certificates that it had remain valid.
func CAFile(path string) Roots {
	var mu sync.Mutex
	var pool *x509.CertPool
	var read os.FileInfo // state of the file when it was read; nil before

	return func() (*x509.CertPool, error) {
		mu.Lock()
		defer mu.Unlock()

		info, err := os.Stat(path)
		if err == nil && read != nil && os.SameFile(info, read) && info.ModTime().Equal(read.ModTime()) && info.Size() == read.Size() {
			return pool, nil
		}
		fresh, err := ReadCAFile(path)
		switch {
		case err == nil:
			pool, read = fresh, info
		case pool == nil:
			return nil, err
		}
		return pool, nil
	}
}
