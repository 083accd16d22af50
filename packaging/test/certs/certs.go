// Package certs issues certificates for tests. Use Issue to make a certificate.
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

// Pair is a certificate and its private key.
type Pair struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Issue makes a certificate that is valid from one hour before the time at to one hour
// after it. parent signs the certificate; if parent is nil, the certificate is
// self-signed.
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

// PEM returns the certificate in PEM format.
func (p *Pair) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Cert.Raw})
}

// TLS returns the certificate, its key and its intermediate certificates for use in a
// tls.Config.
func (p *Pair) TLS(intermediates ...*Pair) tls.Certificate {
	chain := tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key}
	for _, i := range intermediates {
		chain.Certificate = append(chain.Certificate, i.Cert.Raw)
	}
	return chain
}
