package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

// certificate returns a self-signed certificate with a new key.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: later}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestLoginByThumbprint(t *testing.T) {
	t.Parallel()

	cert, other := certificate(t), certificate(t)
	upper, lower := fmt.Sprintf("%X", sha256.Sum256(cert.Raw)), fmt.Sprintf("%x", sha256.Sum256(cert.Raw))
	short := fmt.Sprintf("%X", sha1.Sum(cert.Raw))
	strange := fmt.Sprintf("%X", sha256.Sum256(other.Raw))
	device := func(kind iothub.AuthenticationType, primary, secondary *string) iothub.DeviceIdentity {
		return iothub.DeviceIdentity{DeviceID: "d1", Status: iothub.Enabled, Authentication: &iothub.Authentication{
			Type: kind, X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: primary, SecondaryThumbprint: secondary}}}
	}
	disabled := device("selfSigned", &upper, nil)
	disabled.Status = iothub.Disabled
	for name, test := range map[string]struct {
		device iothub.DeviceIdentity
		now    time.Time
		want   string // text in the refusal; empty if the login is accepted
	}{
		"primary":             {device: device("selfSigned", &upper, &strange)},
		"secondary":           {device: device("selfSigned", &strange, &upper)},
		"secondary alone":     {device: device("selfSigned", nil, &upper)},
		"lower case":          {device: device("selfSigned", &lower, nil)},
		"SHA-1":               {device: device("selfSigned", &short, nil)},
		"another certificate": {device: device("selfSigned", &strange, &strange), want: "the certificate's thumbprint does not match device d1"},
		"a device with a key": {device: device("sas", &upper, nil), want: "does not log in with a certificate"},
		"by an authority":     {device: device("certificateAuthority", &upper, nil), want: "the certificate's common name"},
		"no kind of login":    {device: device("none", &upper, nil), want: "does not log in with a certificate"},
		"no credentials":      {device: iothub.DeviceIdentity{DeviceID: "d1"}, want: "does not log in with a certificate"},
		"disabled":            {device: disabled, want: "device d1 is disabled"},
		"expired":             {device: device("selfSigned", &upper, nil), now: later, want: "the certificate is valid from"},
		"not yet valid":       {device: device("selfSigned", &upper, nil), now: now.Add(-2 * time.Hour), want: "the certificate is valid from"},
	} {
		t.Run(name, func(t *testing.T) {
			at := test.now
			if at.IsZero() {
				at = now
			}
			expires, err := access.CheckCertificate(access.Chain{Leaf: cert}, []*x509.Certificate{cert}, test.device, at)
			check(t, err, test.want, "")
			if err == nil && !expires.Equal(cert.NotAfter) {
				t.Errorf("the login expires at %v, want %v", expires, cert.NotAfter)
			}
		})
	}
}
