package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Handshake describes a failed TLS handshake from the client's side.
type Handshake struct {
	// Host is the host name that the client expected in the server's certificate.
	Host string
	// Time is the client's time when it checked the server's certificate.
	Time time.Time
	// CAOption is the command-line option with which the user names a CA file, such as
	// "--ca-file".
	CAOption string
	// ClientCertificate is true if the client sent a certificate of its own.
	ClientCertificate bool
}

// Failure explains to a user why a TLS handshake failed.
type Failure struct {
	Kind    Kind
	Problem string // a sentence about the server that starts with "its", such as "its certificate is ..."
	Remedy  string // what the user should do
}

// Kind says why a TLS handshake failed.
type Kind int

// The reasons why a TLS handshake failed.
const (
	UnknownAuthority   Kind = iota + 1 // the issuer of the server's certificate is not trusted
	WrongName                          // the server's certificate is for another name
	InvalidCertificate                 // the server's certificate has expired or is invalid for another reason
	NoTLS                              // the server does not speak TLS
	Refused                            // the server ended the connection with a TLS alert
)

// Error returns the problem, followed by the remedy.
func (f *Failure) Error() string { return f.Problem + "; " + f.Remedy }

// Explain explains a failed TLS handshake. It returns nil if err does not come from
// TLS.
func (h Handshake) Explain(err error) *Failure {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &Failure{UnknownAuthority,
			"its certificate was issued by an authority that this computer does not trust",
			"if the server is your own, set " + h.CAOption + " to the file with its CA certificate"}
	}

	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return &Failure{WrongName,
			fmt.Sprintf("its certificate is for %s, not for %s", certificateNames(e.Certificate), h.Host),
			"use one of the certificate's names as the endpoint"}
	}

	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return h.invalid(e)
	}

	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return &Failure{NoTLS, "it does not speak TLS on this port", "check the port of the endpoint"}
	}

	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" { // the server sent a TLS alert
		return h.refused(e.Err)
	}

	return nil
}

// invalid explains why a certificate is invalid although its issuer is trusted.
func (h Handshake) invalid(err x509.CertificateInvalidError) *Failure {
	if err.Reason == x509.Expired {
		return &Failure{InvalidCertificate,
			"its certificate has expired or is not valid yet",
			fmt.Sprintf("compare this computer's clock (%s) with the dates of the certificate", h.Time.UTC().Format(time.RFC3339))}
	}

	return &Failure{InvalidCertificate,
		fmt.Sprintf("its certificate is invalid: %v", err),
		"install a valid certificate on the server"}
}

// refused explains the TLS alert with which the server ended the handshake.
func (h Handshake) refused(alert error) *Failure {
	if h.ClientCertificate {
		return &Failure{Refused,
			fmt.Sprintf("it refused the device's certificate (%v)", alert),
			"check that the certificate is valid now and is registered for the device"}
	}

	return &Failure{Refused,
		fmt.Sprintf("it refused the TLS connection (%v)", alert),
		"check that the server accepts TLS 1.2 or later"}
}

// certificateNames returns a list of the host names and addresses for which cert is
// valid.
func certificateNames(cert *x509.Certificate) string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}

	if len(names) == 0 {
		return "no name"
	}
	return strings.Join(names, ", ")
}
