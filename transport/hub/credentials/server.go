package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// serverLifetime is less than a year, because strict clients refuse longer ones.
	serverLifetime = 300 * 24 * time.Hour
	renewBefore    = 60 * 24 * time.Hour
)

// serverCertificate is the certificate that the MQTT and the HTTPS listener show.
type serverCertificate struct {
	dir   string
	ca    hubCA
	names []string // host names and IP addresses that the certificate must cover
	now   func() time.Time
	log   *zap.Logger

	mu      sync.Mutex
	current *tls.Certificate
}

// load reads the certificate from disk. It creates a new certificate if there is
// none, or if the one on disk needs renewal.
func (s *serverCertificate) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()

	cert, key, err := s.files().read()
	if err == nil && s.usable(cert) {
		s.current = s.withChain(cert, key)
		return nil
	}
	return s.renew()
}

// get returns the current certificate and renews it first if necessary.
func (s *serverCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if !s.usable(s.current.Leaf) {
		if err := s.renew(); err != nil {
			s.log.Error("cannot renew the server certificate", zap.Error(err))
		}
	}
	return s.current, nil
}

// usable reports whether the hub's CA signed cert, cert covers all names, and cert
// is valid and not close to its end. A certificate that ends with the CA is usable
// until that end, because renewal cannot extend it.
func (s *serverCertificate) usable(cert *x509.Certificate) bool {
	now := s.now()
	nearEnd := now.Add(renewBefore).After(cert.NotAfter) && cert.NotAfter.Before(s.ca.cert.NotAfter)
	if now.Before(cert.NotBefore) || nearEnd || cert.CheckSignatureFrom(s.ca.cert) != nil {
		return false
	}

	for _, name := range s.names {
		if cert.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// renew creates a certificate with a new key, uses it from now on and writes it to disk.
func (s *serverCertificate) renew() error {
	now := s.now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.names[0]},
		NotBefore:   now.Add(-clockSlack),
		NotAfter:    now.Add(serverLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(s.ca.cert.NotAfter) {
		template.NotAfter = s.ca.cert.NotAfter
	}
	for _, name := range s.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}

	cert, key, err := s.ca.issue(template)
	if err != nil {
		return fmt.Errorf("create the server certificate: %w", err)
	}
	s.current = s.withChain(cert, key)

	if err := s.files().write(cert, key); err != nil {
		return err
	}
	s.log.Info("new server certificate", zap.Strings("names", s.names), zap.Time("expires", cert.NotAfter))
	return nil
}

// withChain returns cert with its key and the CA's certificate for use in TLS.
func (s *serverCertificate) withChain(cert *x509.Certificate, key any) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, s.ca.cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (s *serverCertificate) files() keyPair {
	return keyPair{filepath.Join(s.dir, "server.pem"), filepath.Join(s.dir, "server.key")}
}
