package hub

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
	serverLife  = 300 * 24 * time.Hour // clients that check it refuse long-lived ones
	renewBefore = 60 * 24 * time.Hour
)

// serverCertificate is what both fronts show. It renews itself, at start and
// while the hub runs.
type serverCertificate struct {
	dir   string
	ca    authority
	names []string // host names and addresses that it must be good for
	now   func() time.Time
	log   *zap.Logger

	mu      sync.Mutex
	current *tls.Certificate
}

// load reads the certificate from disk, and makes a new one if there is none or
// it is not good any more.
func (s *serverCertificate) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cert, key, err := readPair(s.files())
	if err == nil && s.good(cert) {
		s.current = s.chain(cert, key)
		return nil
	}
	return s.renew()
}

// get is for tls.Config.GetCertificate.
func (s *serverCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.good(s.current.Leaf) {
		if err := s.renew(); err != nil {
			s.log.Error("renew the server certificate", zap.Error(err))
		}
	}
	return s.current, nil
}

// good reports whether cert is this CA's, lasts for a while and names all names.
func (s *serverCertificate) good(cert *x509.Certificate) bool {
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

func (s *serverCertificate) renew() error {
	now := s.now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: s.names[0]},
		NotBefore: now.Add(-clockSlack),
		NotAfter:  now.Add(serverLife),
		KeyUsage:  x509.KeyUsageDigitalSignature,
		// Both fronts only serve.
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
		return fmt.Errorf("make the server certificate: %w", err)
	}
	s.current = s.chain(cert, key)
	certFile, keyFile := s.files()
	if err := writePair(certFile, keyFile, cert, key); err != nil {
		return err
	}
	s.log.Info("new server certificate", zap.Strings("names", s.names), zap.Time("until", cert.NotAfter))
	return nil
}

func (s *serverCertificate) chain(cert *x509.Certificate, key any) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, s.ca.cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (s *serverCertificate) files() (certFile, keyFile string) {
	return filepath.Join(s.dir, "server.pem"), filepath.Join(s.dir, "server.key")
}
