package provisioning

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Enrollment says who may register, as the provisioning service's API has it:
// one device (RegistrationID) or a group of them (GroupID).
type Enrollment struct {
	RegistrationID string            `json:"registrationId,omitempty"`
	GroupID        string            `json:"enrollmentGroupId,omitempty"`
	DeviceID       string            `json:"deviceId,omitempty"` // of one device; empty: the registration id
	Attestation    Attestation       `json:"attestation"`
	Status         string            `json:"provisioningStatus"`
	InitialTwin    *iothub.TwinPatch `json:"initialTwin,omitempty"`
	Created        time.Time         `json:"createdDateTimeUtc"`
	Updated        time.Time         `json:"lastUpdatedDateTimeUtc"`
	ETag           string            `json:"etag,omitempty"`
}

// Attestation is how a device proves that the enrolment is meant for it. Type is
// symmetricKey or x509.
type Attestation struct {
	Type         string               `json:"type"`
	SymmetricKey *iothub.SymmetricKey `json:"symmetricKey,omitempty"`
	X509         *X509                `json:"x509,omitempty"`
}

// X509 holds the certificates of one device, or those that sign a group's.
type X509 struct {
	Client  *Certificates `json:"clientCertificates,omitempty"`
	Signing *Certificates `json:"signingCertificates,omitempty"`
}

// Certificates are one or two certificates, to change them in turn.
type Certificates struct {
	Primary   *Certificate `json:"primary,omitempty"`
	Secondary *Certificate `json:"secondary,omitempty"`
}

// Certificate is a certificate as PEM, or as its bytes in base64.
type Certificate struct {
	Text string `json:"certificate"`
}

// id is the enrolment's name among those of its kind.
func (e Enrollment) id() string { return e.RegistrationID + e.GroupID }

// complete checks what a service gave, and fills in what it left out.
func (e *Enrollment) complete() error {
	group := e.GroupID != ""
	if err := checkID(e.id()); err != nil {
		return invalid("%v", err)
	}
	if e.DeviceID != "" {
		if err := iothub.CheckDeviceID(e.DeviceID); err != nil || group {
			return invalid("deviceId: it is for an enrolment of one device, and can be one of the hub's ids")
		}
	}
	switch e.Status {
	case "":
		e.Status = iothub.Enabled
	case iothub.Enabled, iothub.Disabled:
	default:
		return invalid("provisioningStatus is %q, it can be enabled or disabled", e.Status)
	}
	a := &e.Attestation
	switch a.Type {
	case "symmetricKey":
		a.X509 = nil
		return a.completeKeys()
	case "x509":
		a.SymmetricKey = nil
		certificates, err := a.certificates(group)
		if err == nil && len(certificates) == 0 {
			err = errors.New("it has no certificate")
		}
		if err != nil {
			return invalid("attestation.x509: %v", err)
		}
		return nil
	default:
		return invalid("attestation.type is %q, it can be symmetricKey or x509", a.Type)
	}
}

// completeKeys makes the keys that are empty.
func (a *Attestation) completeKeys() error {
	if a.SymmetricKey == nil {
		a.SymmetricKey = new(iothub.SymmetricKey)
	}
	for _, text := range []*string{&a.SymmetricKey.PrimaryKey, &a.SymmetricKey.SecondaryKey} {
		if *text == "" {
			*text = iothub.NewKey().Base64()
		}
		if key, err := iothub.ParseKey(*text); err != nil || len(key) < 16 || len(key) > 64 {
			return invalid("attestation.symmetricKey: want keys of 16 to 64 bytes in base64")
		}
	}
	return nil
}

// keys returns the two keys with which a device of that registration id signs.
func (a Attestation) keys(group bool, registrationID string) [2]iothub.Key {
	var keys [2]iothub.Key
	if a.SymmetricKey == nil {
		return keys
	}
	for i, text := range []string{a.SymmetricKey.PrimaryKey, a.SymmetricKey.SecondaryKey} {
		key, err := iothub.ParseKey(text)
		switch {
		case err != nil:
		case group:
			keys[i] = DeriveKey(key, registrationID)
		default:
			keys[i] = key
		}
	}
	return keys
}

// DeriveKey returns the key of a device of a group.
func DeriveKey(group iothub.Key, registrationID string) iothub.Key {
	h := hmac.New(sha256.New, group)
	h.Write([]byte(registrationID))
	return h.Sum(nil)
}

// certificates returns a device's own certificates, or those that sign a group's.
func (a Attestation) certificates(group bool) ([]*x509.Certificate, error) {
	if a.X509 == nil {
		return nil, nil
	}
	given, name := a.X509.Client, "clientCertificates"
	if group {
		given, name = a.X509.Signing, "signingCertificates"
	}
	if given == nil {
		return nil, fmt.Errorf("want %s", name)
	}
	var list []*x509.Certificate
	for _, c := range []*Certificate{given.Primary, given.Secondary} {
		if c == nil || c.Text == "" {
			continue
		}
		cert, err := access.ParseCertificate(c.Text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, cert)
	}
	return list, nil
}

// checkID reports whether id can be a registration's or a group's: 1 to 128 ASCII
// letters, digits and -._: with a letter or a digit at both ends.
func checkID(id string) error {
	if id == "" || len(id) > 128 {
		return fmt.Errorf("the id has %d characters, want 1 to 128", len(id))
	}
	for i, r := range id {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		inside := i > 0 && i < len(id)-1
		if !alnum && !(inside && strings.ContainsRune("-._:", r)) {
			return fmt.Errorf("the id has %q, allowed are ASCII letters and digits, and -._: between them", r)
		}
	}
	return nil
}

func invalid(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeArgumentInvalid, format, args...)
}

func unauthorized(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeUnauthorized, format, args...)
}
