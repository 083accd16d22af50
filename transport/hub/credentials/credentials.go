package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
)

// Options say where the credentials are stored and for which hub they are.
type Options struct {
	Dir  string // the hub's data directory, which must exist
	Name string // the host name that clients use; see CheckHostName
	Now  func() time.Time
	Log  *zap.Logger
}

// Credentials are the hub's certificates and policies, with their keys.
type Credentials struct {
	// Policies are the hub's shared access policies, with their keys.
	Policies []access.Policy
	// CA is the certificate of the hub's CA, which clients must trust.
	CA *x509.Certificate

	server *serverCertificate
}

// Load reads the hub's credentials. It creates credentials that are missing.
func Load(opts Options) (*Credentials, error) {
	ca, err := loadCA(opts.Dir, opts.Name, opts.Now())
	if err != nil {
		return nil, err
	}

	server := &serverCertificate{dir: opts.Dir, ca: ca, names: serverNames(opts.Name), now: opts.Now, log: opts.Log}
	if err := server.load(); err != nil {
		return nil, err
	}

	unlock, err := lockKeys(opts.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	ownerKey, err := loadOwnerKey(opts.Dir, opts.Name)
	if err != nil {
		return nil, err
	}
	policies, err := loadPolicies(opts.Dir, ownerKey)
	if err != nil {
		return nil, err
	}

	return &Credentials{Policies: policies, CA: ca.cert, server: server}, nil
}

// GetCertificate returns the server certificate for a tls.Config. It renews the
// certificate first if necessary.
func (c *Credentials) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.server.get(hello)
}

// serverNames returns the host names and IP addresses for which the server certificate
// is valid: the hub's name, and the names of this machine for local clients.
func serverNames(hubName string) []string {
	names := []string{hubName}

	machine, _ := os.Hostname()
	for _, name := range []string{"localhost", strings.ToLower(machine), "127.0.0.1", "::1"} {
		// This machine may have a name with characters that a certificate must not
		// contain.
		if name != hubName && (name == "::1" || CheckHostName(name) == nil) {
			names = append(names, name)
		}
	}
	return names
}

// CheckHostName checks that name can be the name of a hub. It must be an IPv4 address,
// or a host name without scheme, port and path.
func CheckHostName(name string) error {
	if net.ParseIP(name) != nil && !strings.Contains(name, ":") {
		return nil
	}
	if name == "" || len(name) > 253 {
		return fmt.Errorf("the hub's name has %d characters, want 1 to 253; set it with --name", len(name))
	}

	for label := range strings.SplitSeq(name, ".") {
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
				return fmt.Errorf("the hub's name is %q; want a host name without scheme, port or path, such as hub.example.com", name)
			}
		}
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("the hub's name is %q; want a host name, such as hub.example.com", name)
		}
	}
	return nil
}
