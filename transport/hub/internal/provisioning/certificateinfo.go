package provisioning

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
)

// CertificateInfo describes a certificate in the form of Azure's provisioning service.
type CertificateInfo struct {
	Subject          string    `json:"subjectName"`
	SHA1Thumbprint   string    `json:"sha1Thumbprint"`
	SHA256Thumbprint string    `json:"sha256Thumbprint"`
	Issuer           string    `json:"issuerName"`
	NotBefore        time.Time `json:"notBeforeUtc"`
	NotAfter         time.Time `json:"notAfterUtc"`
	SerialNumber     string    `json:"serialNumber"`
	Version          int       `json:"version"`
}

func newCertificateInfo(cert *x509.Certificate) *CertificateInfo {
	return &CertificateInfo{
		Subject:          cert.Subject.String(),
		SHA1Thumbprint:   access.SHA1Thumbprint(cert),
		SHA256Thumbprint: access.Thumbprint(cert),
		Issuer:           cert.Issuer.String(),
		NotBefore:        cert.NotBefore.UTC(),
		NotAfter:         cert.NotAfter.UTC(),
		SerialNumber:     fmt.Sprintf("%X", cert.SerialNumber),
		Version:          cert.Version,
	}
}

// all returns the certificates that an enrollment contains.
func (x *X509) all() []*Certificate {
	if x == nil {
		return nil
	}

	var list []*Certificate
	for _, pair := range []*Certificates{x.Client, x.Signing} {
		if pair == nil {
			continue
		}
		for _, c := range []*Certificate{pair.Primary, pair.Secondary} {
			if c != nil {
				list = append(list, c)
			}
		}
	}
	return list
}

// AddCertificateInfo adds a description to each certificate of an enrollment.
// The SDKs for .NET and Java expect the description in every answer.
func (e Enrollment) AddCertificateInfo() error {
	for _, c := range e.Attestation.X509.all() {
		cert, err := access.ParseCertificate(c.Text)
		if err != nil {
			return fmt.Errorf("a certificate of the stored enrollment %s: %w", e.id(), err)
		}
		c.Info = newCertificateInfo(cert)
	}
	return nil
}
