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

// Chain holds the certificates that a device sent in its TLS handshake. The handshake
// has proved that the device has the private key of Leaf, the device's own certificate.
// The hub has not verified the certificates yet.
type Chain struct {
	Leaf          *x509.Certificate // nil if the device sent no certificate
	Intermediates []*x509.Certificate
}

// CheckCertificate checks the certificate with which a device logs in. It returns the
// time at which the login expires. Depending on the device's identity, the certificate
// must have a registered thumbprint or be signed by one of the authorities. chain.Leaf
// must not be nil.
func CheckCertificate(chain Chain, authorities []*x509.Certificate, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	if err := checkEnabled(identity); err != nil {
		return time.Time{}, err
	}

	authentication := iothub.AuthenticationType("")
	if identity.Authentication != nil {
		authentication = identity.Authentication.Type
	}

	switch authentication {
	case iothub.AuthSelfSigned:
		return checkThumbprint(chain.Leaf, identity, now)
	case iothub.AuthAuthority:
		return VerifyChain(chain, authorities, identity.DeviceID, now)
	default:
		return time.Time{}, unauthorized("device %s does not log in with a certificate", identity.DeviceID)
	}
}

// checkThumbprint checks that cert is valid now and has one of the device's two
// registered thumbprints. It returns the time at which cert expires.
func checkThumbprint(cert *x509.Certificate, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	thumbprints := identity.Authentication.X509Thumbprint
	matches := false
	for _, thumbprint := range []*string{thumbprints.PrimaryThumbprint, thumbprints.SecondaryThumbprint} {
		matches = matches || thumbprint != nil && HasThumbprint(cert, *thumbprint)
	}

	if !matches {
		return time.Time{}, unauthorized("the certificate's thumbprint does not match device %s", identity.DeviceID)
	}
	return CheckValidity(cert, now)
}

// VerifyChain checks that the leaf certificate's common name is name, and that a chain
// of valid certificates leads from the leaf to one of the authorities. It returns the
// earliest expiry time in that chain.
func VerifyChain(chain Chain, authorities []*x509.Certificate, name string, now time.Time) (expires time.Time, err error) {
	expires, err = CheckValidity(chain.Leaf, now)
	if err != nil {
		return time.Time{}, err
	}

	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range authorities {
		roots.AddCert(cert)
	}
	for _, cert := range chain.Intermediates {
		intermediates.AddCert(cert)
	}

	verified, err := chain.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return time.Time{}, unauthorized("cannot verify the device's certificate: %v", err)
	}
	if commonName := chain.Leaf.Subject.CommonName; commonName != name {
		return time.Time{}, unauthorized("the certificate's common name is %q, want %q", commonName, name)
	}

	for _, cert := range verified[0] {
		if cert.NotAfter.Before(expires) {
			expires = cert.NotAfter
		}
	}
	return expires, nil
}

// CheckValidity checks that cert is valid now. It returns the time at which cert
// expires.
func CheckValidity(cert *x509.Certificate, now time.Time) (expires time.Time, err error) {
	if now.Before(cert.NotBefore) || !now.Before(cert.NotAfter) {
		return time.Time{}, unauthorized("the certificate is valid from %s to %s, but the hub's clock says %s",
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return cert.NotAfter, nil
}

// CheckAuthority checks that cert can serve as a certificate authority: it may sign
// other certificates and has not expired.
func CheckAuthority(cert *x509.Certificate, now time.Time) error {
	if !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("not a CA certificate: it may not sign other certificates")
	}
	if !now.Before(cert.NotAfter) {
		return fmt.Errorf("the certificate expired at %s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// ParseCertificate parses a text that holds exactly one certificate, as PEM or as DER in
// base64.
func ParseCertificate(text string) (*x509.Certificate, error) {
	der, err := decodeCertificate(text)
	if err != nil {
		return nil, err
	}

	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("cannot parse the certificate")
	}
	return cert, nil
}

// decodeCertificate converts a certificate from PEM or base64 to DER.
func decodeCertificate(text string) ([]byte, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, errors.New("want a certificate in PEM, or in base64 of its DER form")
		}
		return der, nil
	case block.Type != "CERTIFICATE":
		return nil, fmt.Errorf("want a certificate, not %q", block.Type)
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("want one certificate and nothing else")
	}
	return block.Bytes, nil
}

// HasThumbprint reports whether thumbprint is the SHA-1 or SHA-256 hash of cert. The
// thumbprint has 40 or 64 hexadecimal digits, in upper or lower case.
func HasThumbprint(cert *x509.Certificate, thumbprint string) bool {
	return strings.EqualFold(thumbprint, Thumbprint(cert)) || strings.EqualFold(thumbprint, SHA1Thumbprint(cert))
}

// Thumbprint returns the certificate's SHA-256 thumbprint in upper case, as IoT Hub
// writes it.
func Thumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// SHA1Thumbprint returns the certificate's SHA-1 thumbprint, the default of openssl and
// of the SDKs' samples. Forging a certificate with a given SHA-1 thumbprint needs a
// second preimage, which nobody can compute yet.
func SHA1Thumbprint(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
