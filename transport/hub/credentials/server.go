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
	// serverLifetime is less than a year, because strict clients refuse certificates
	// that are valid for longer.
	serverLifetime = 300 * 24 * time.Hour
	renewBefore    = 60 * 24 * time.Hour
)

// serverCertificate is the certificate that the hub shows to MQTT and HTTPS clients.
type serverCertificate struct {
	dir   string
	ca    hubCA
	names []string // host names and IP addresses for which the certificate must be valid
	now   func() time.Time
	log   *zap.Logger

	mu      sync.Mutex
	current *tls.Certificate
}

// load reads the server certificate from disk. If there is no certificate on disk, or if
// it must be renewed, load creates a new one.
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

// get returns the server certificate. It renews the certificate first if it expires soon.
// It does not check the CA's signature, because that would take a tenth of the time of a
// TLS handshake; load has checked it.
func (s *serverCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if !s.validLongEnough(s.current.Leaf) {
		if err := s.renew(); err != nil {
			s.log.Error("cannot renew the server certificate", zap.Error(err))
		}
	}
	return s.current, nil
}

// validLongEnough reports whether cert is valid now and does not expire soon. A
// certificate that expires together with the CA is valid long enough, because a renewed
// certificate would not last longer.
func (s *serverCertificate) validLongEnough(cert *x509.Certificate) bool {
	now := s.now()
	nearEnd := now.Add(renewBefore).After(cert.NotAfter) && cert.NotAfter.Before(s.ca.cert.NotAfter)
	return !now.Before(cert.NotBefore) && !nearEnd
}

// usable reports whether the server can use cert. The hub's CA must have signed cert,
// and cert must be valid for all names and long enough.
func (s *serverCertificate) usable(cert *x509.Certificate) bool {
	if !s.validLongEnough(cert) || cert.CheckSignatureFrom(s.ca.cert) != nil {
		return false
	}

	for _, name := range s.names {
		if cert.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// renew creates a server certificate with a new key and writes both to disk. The hub
// uses the new certificate at once.
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

// withChain returns cert with its key and the CA's certificate as a tls.Certificate.
func (s *serverCertificate) withChain(cert *x509.Certificate, key any) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, s.ca.cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (s *serverCertificate) files() keyPair {
	return keyPair{filepath.Join(s.dir, "server.pem"), filepath.Join(s.dir, "server.key")}
}
