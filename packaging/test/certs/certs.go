// Package certs makes certificates for tests.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Pair is a certificate and its key.
type Pair struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Issue makes a certificate that is good for an hour before and after at. A nil
// parent makes it sign itself.
func Issue(t testing.TB, parent *Pair, commonName string, isCA bool, at time.Time) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName}, IsCA: isCA,
		BasicConstraintsValid: true, NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour)}
	signer := &Pair{template, key}
	if parent != nil {
		signer = parent
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, signer.Cert, key.Public(), signer.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{cert, key}
}

// PEM is the certificate.
func (p *Pair) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Cert.Raw})
}

// TLS is what logs in by the certificate, shown with those that lead to its authority.
func (p *Pair) TLS(with ...*Pair) tls.Certificate {
	shown := tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key}
	for _, w := range with {
		shown.Certificate = append(shown.Certificate, w.Cert.Raw)
	}
	return shown
}
