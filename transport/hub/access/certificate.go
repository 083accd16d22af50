package access

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Shown are the certificates that a device showed in its TLS handshake, which
// has proved that the device holds the key of the first. Nothing else is known
// of them.
type Shown struct {
	Leaf          *x509.Certificate // nil: it showed none
	Intermediates []*x509.Certificate
}

// Certificate decides on a login by certificate: by thumbprint, if that is how
// the device logs in, or by one of the hub's certificate authorities. It returns
// when the login runs out.
func Certificate(shown Shown, authorities []*x509.Certificate, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	if err := checkEnabled(identity); err != nil {
		return time.Time{}, err
	}
	kind := ""
	if identity.Authentication != nil {
		kind = identity.Authentication.Type
	}
	switch kind {
	case "selfSigned":
		return byThumbprint(shown.Leaf, identity, now)
	case "certificateAuthority":
		return Vouched(shown, authorities, identity.DeviceID, now)
	default:
		return time.Time{}, unauthorized("device %s does not log in by a certificate", identity.DeviceID)
	}
}

func byThumbprint(cert *x509.Certificate, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	thumbprints := identity.Authentication.X509Thumbprint
	known := false
	for _, thumbprint := range []*string{thumbprints.PrimaryThumbprint, thumbprints.SecondaryThumbprint} {
		known = known || thumbprint != nil && HasThumbprint(cert, *thumbprint)
	}
	if !known {
		return time.Time{}, unauthorized("the certificate's thumbprint is none of device %s", identity.DeviceID)
	}
	return CertificateTime(cert, now)
}

// Vouched decides whether one of the authorities vouches that whoever holds the
// key of the leaf is called name: by a chain of certificates that are all good
// now, the leaf's subject having that common name. It returns when the first
// certificate of the chain runs out.
func Vouched(shown Shown, authorities []*x509.Certificate, name string, now time.Time) (expires time.Time, err error) {
	if expires, err = CertificateTime(shown.Leaf, now); err != nil {
		return time.Time{}, err
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range authorities {
		roots.AddCert(cert)
	}
	for _, cert := range shown.Intermediates {
		between.AddCert(cert)
	}
	chains, err := shown.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return time.Time{}, unauthorized("no authority vouches for the certificate: %v", err)
	}
	if got := shown.Leaf.Subject.CommonName; got != name {
		return time.Time{}, unauthorized("the certificate's common name is %q, want %q", got, name)
	}
	for _, cert := range chains[0] {
		if cert.NotAfter.Before(expires) {
			expires = cert.NotAfter
		}
	}
	return expires, nil
}

// CheckAuthority reports why a certificate cannot be one that vouches for others.
func CheckAuthority(cert *x509.Certificate, now time.Time) error {
	if !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("the certificate is not an authority's: it may not sign others")
	}
	if !now.Before(cert.NotAfter) {
		return fmt.Errorf("the certificate ended at %s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// ParseCertificate reads one certificate, as PEM or as its bytes in base64.
func ParseCertificate(text string) (*x509.Certificate, error) {
	var raw []byte
	if block, rest := pem.Decode([]byte(text)); block != nil {
		switch {
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("want a certificate, not %q", block.Type)
		case strings.TrimSpace(string(rest)) != "":
			return nil, errors.New("want one certificate and nothing else")
		}
		raw = block.Bytes
	} else {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err != nil {
			return nil, errors.New("want a certificate as PEM, or its bytes in base64")
		}
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, errors.New("the certificate cannot be read")
	}
	return cert, nil
}

// CertificateTime refuses a certificate outside of its time, and returns when it
// runs out.
func CertificateTime(cert *x509.Certificate, now time.Time) (expires time.Time, err error) {
	if now.Before(cert.NotBefore) || !now.Before(cert.NotAfter) {
		return time.Time{}, unauthorized("the certificate is good from %s to %s, the hub's clock says %s",
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return cert.NotAfter, nil
}

// HasThumbprint reports whether thumbprint is the certificate's: 40 hexadecimal
// digits of SHA-1, or 64 of SHA-256, in any case.
func HasThumbprint(cert *x509.Certificate, thumbprint string) bool {
	return strings.EqualFold(thumbprint, Thumbprint(cert)) || strings.EqualFold(thumbprint, sha1Thumbprint(cert))
}

// Thumbprint returns the certificate's SHA-256 thumbprint, in capitals as IoT Hub
// writes it.
func Thumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// sha1Thumbprint is what the SDKs' samples and openssl give by default. A forged
// one would need a second preimage, which SHA-1 still withstands.
func sha1Thumbprint(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
