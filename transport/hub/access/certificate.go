package access

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Certificate checks the certificate that a device showed in its TLS handshake,
// which has proved that the device holds the certificate's key. The device must
// be one that logs in by thumbprint, and the certificate one of its two. It
// returns when the certificate runs out.
func Certificate(cert *x509.Certificate, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	if err := checkEnabled(identity); err != nil {
		return time.Time{}, err
	}
	auth := identity.Authentication
	if auth == nil || auth.Type != "selfSigned" {
		return time.Time{}, unauthorized("device %s does not log in by the thumbprint of a certificate", identity.DeviceID)
	}
	known := false
	for _, thumbprint := range []*string{auth.X509Thumbprint.PrimaryThumbprint, auth.X509Thumbprint.SecondaryThumbprint} {
		known = known || thumbprint != nil && HasThumbprint(cert, *thumbprint)
	}
	if !known {
		return time.Time{}, unauthorized("the certificate's thumbprint is none of device %s", identity.DeviceID)
	}
	return CertificateTime(cert, now)
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
