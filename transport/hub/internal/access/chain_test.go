package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

// issuer is a certificate and its private key.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue returns a certificate with a new key, signed by the issuer. If the issuer is
// nil, the certificate is self-signed.
func (by *issuer) issue(t *testing.T, name string, change func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: later}
	change(template)
	parent := by
	if parent == nil {
		parent = &issuer{template, key}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert, key}
}

// asCA changes a template for a certificate to a template for a CA certificate.
func asCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func plain(*x509.Certificate) {}

func TestLoginByAuthority(t *testing.T) {
	t.Parallel()

	var nobody *issuer
	root, strange := nobody.issue(t, "root", asCA), nobody.issue(t, "root", asCA)
	between := root.issue(t, "between", func(c *x509.Certificate) { asCA(c); c.NotAfter = now.Add(time.Minute) })
	past := root.issue(t, "past", func(c *x509.Certificate) { asCA(c); c.NotAfter = now.Add(-time.Minute) })
	direct := root.issue(t, "d1", plain)
	byChain := between.issue(t, "d1", plain)
	notAnIssuer := direct.issue(t, "d1", plain)
	chain := []*x509.Certificate{between.cert}
	device := iothub.DeviceIdentity{DeviceID: "d1", Status: iothub.Enabled, Authentication: &iothub.Authentication{Type: "certificateAuthority"}}
	disabled := device
	disabled.Status = iothub.Disabled

	for name, test := range map[string]struct {
		chain       access.Chain
		authorities []*x509.Certificate // CA certificates that the hub trusts; nil means only root
		device      iothub.DeviceIdentity
		expires     time.Time
		want        string
	}{
		"signed by the root":        {chain: access.Chain{Leaf: direct.cert}, expires: later},
		"chain to the root":         {chain: access.Chain{Leaf: byChain.cert, Intermediates: chain}, expires: now.Add(time.Minute)},
		"authority is intermediate": {chain: access.Chain{Leaf: byChain.cert}, authorities: chain, expires: now.Add(time.Minute)},
		"extended usage client":     {chain: access.Chain{Leaf: root.issue(t, "d1", usage(x509.ExtKeyUsageClientAuth)).cert}, expires: later},

		"gap in the chain":     {chain: access.Chain{Leaf: byChain.cert}, want: "cannot verify"},
		"another authority":    {chain: access.Chain{Leaf: strange.issue(t, "d1", plain).cert}, want: "cannot verify"},
		"no authorities":       {chain: access.Chain{Leaf: direct.cert}, authorities: []*x509.Certificate{}, want: "cannot verify"},
		"signed by itself":     {chain: access.Chain{Leaf: nobody.issue(t, "d1", asCA).cert}, want: "cannot verify"},
		"signed by a device":   {chain: access.Chain{Leaf: notAnIssuer.cert, Intermediates: []*x509.Certificate{direct.cert}}, want: "cannot verify"},
		"unknown root is sent": {chain: access.Chain{Leaf: strange.issue(t, "d1", plain).cert, Intermediates: []*x509.Certificate{strange.cert}}, want: "cannot verify"},
		"expired intermediate": {chain: access.Chain{Leaf: past.issue(t, "d1", plain).cert, Intermediates: []*x509.Certificate{past.cert}}, want: "cannot verify"},
		"expired": {chain: access.Chain{Leaf: root.issue(t, "d1", func(c *x509.Certificate) { c.NotAfter = now }).cert},
			want: "the certificate is valid from"},
		"not yet valid": {chain: access.Chain{Leaf: root.issue(t, "d1", func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }).cert},
			want: "the certificate is valid from"},
		"extended usage server":  {chain: access.Chain{Leaf: root.issue(t, "d1", usage(x509.ExtKeyUsageServerAuth)).cert}, want: "cannot verify"},
		"name of another device": {chain: access.Chain{Leaf: root.issue(t, "d2", plain).cert}, want: `common name is "d2", want "d1"`},
		"name in other case":     {chain: access.Chain{Leaf: root.issue(t, "D1", plain).cert}, want: `common name is "D1", want "d1"`},
		"name in an alternative": {chain: access.Chain{Leaf: root.issue(t, "d2", func(c *x509.Certificate) { c.DNSNames = []string{"d1"} }).cert},
			want: `common name is "d2", want "d1"`},
		"disabled": {chain: access.Chain{Leaf: direct.cert}, device: disabled, want: "disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.authorities == nil {
				test.authorities = []*x509.Certificate{root.cert}
			}
			if test.device.DeviceID == "" {
				test.device = device
			}
			expires, err := access.CheckCertificate(test.chain, test.authorities, test.device, now)
			check(t, err, test.want, iothub.CodeUnauthorized)
			if err == nil && !expires.Equal(test.expires) {
				t.Errorf("the login expires at %v, want %v", expires, test.expires)
			}
		})
	}
}

func usage(u x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
}

func TestCheckAuthority(t *testing.T) {
	t.Parallel()

	var nobody *issuer
	for name, test := range map[string]struct {
		change func(*x509.Certificate)
		good   bool
	}{
		"CA certificate":       {asCA, true},
		"no basic constraints": {plain, false},
		"may not sign":         {func(c *x509.Certificate) { asCA(c); c.KeyUsage = x509.KeyUsageDigitalSignature }, false},
		"expired":              {func(c *x509.Certificate) { asCA(c); c.NotAfter = now }, false},
		"not a CA":             {func(c *x509.Certificate) { c.BasicConstraintsValid = true }, false},
	} {
		if err := access.CheckAuthority(nobody.issue(t, "root", test.change).cert, now); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseCertificate(t *testing.T) {
	t.Parallel()

	raw := certificate(t).Raw
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	for name, test := range map[string]struct {
		text string
		want string
	}{
		"PEM":              {text, ""},
		"base64":           {base64.StdEncoding.EncodeToString(raw), ""},
		"nothing":          {"", "cannot parse the certificate"},
		"a key":            {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", `not "PRIVATE KEY"`},
		"two certificates": {text + text, "one certificate and nothing else"},
		"no certificate":   {"AAAA", "cannot parse the certificate"},
		"neither":          {"---", "in PEM, or in base64 of its DER form"},
	} {
		t.Run(name, func(t *testing.T) {
			cert, err := access.ParseCertificate(test.text)
			if (err == nil) != (test.want == "") || err == nil && string(cert.Raw) != string(raw) {
				t.Errorf("got %v, %v, want %q", cert, err, test.want)
			}
		})
	}
}

func FuzzParseCertificate(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("MIIB")
	f.Fuzz(func(t *testing.T, text string) {
		if cert, err := access.ParseCertificate(text); (cert == nil) == (err == nil) {
			t.Errorf("got %v, %v", cert, err)
		}
	})
}
