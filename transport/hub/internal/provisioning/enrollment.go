package provisioning

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Enrollment permits one device (RegistrationID) or a group of devices (GroupID) to
// register. Its JSON form is that of Azure's provisioning service.
type Enrollment struct {
	RegistrationID string                  `json:"registrationId,omitempty"`
	GroupID        string                  `json:"enrollmentGroupId,omitempty"`
	DeviceID       string                  `json:"deviceId,omitempty"` // device id, only in individual enrollments; empty means the registration id
	Attestation    Attestation             `json:"attestation"`
	Status         iothub.DeviceStatus     `json:"provisioningStatus"`
	Allocation     iothub.AllocationPolicy `json:"allocationPolicy,omitempty"`
	Capabilities   *iothub.Capabilities    `json:"capabilities,omitempty"`
	InitialTwin    *iothub.TwinPatch       `json:"initialTwin,omitempty"`
	Invitation     *Invitation             `json:"invitation,omitempty"` // only in this hub, see Invite
	Created        time.Time               `json:"createdDateTimeUtc"`
	Updated        time.Time               `json:"lastUpdatedDateTimeUtc"`
	ETag           string                  `json:"etag,omitempty"`
}

// Attestation says how a device proves that it belongs to an enrollment. Type is
// "symmetricKey" or "x509".
type Attestation struct {
	Type         iothub.AttestationType `json:"type"`
	SymmetricKey *iothub.SymmetricKey   `json:"symmetricKey,omitempty"`
	X509         *X509                  `json:"x509,omitempty"`
}

// X509 holds the certificates of one device, or the CA certificates of a group of
// devices.
type X509 struct {
	Client  *Certificates `json:"clientCertificates,omitempty"`
	Signing *Certificates `json:"signingCertificates,omitempty"`
}

// Certificates holds one or two certificates. Devices may use either, so that one
// certificate can be replaced while devices use the other.
type Certificates struct {
	Primary   *Certificate `json:"primary,omitempty"`
	Secondary *Certificate `json:"secondary,omitempty"`
}

// Certificate holds one certificate, as PEM or as DER in base64.
type Certificate struct {
	Text string           `json:"certificate"`
	Info *CertificateInfo `json:"info,omitempty"` // only in answers
}

// id returns the registration id of an individual enrollment, or the group id of a group
// enrollment.
func (e Enrollment) id() string { return e.RegistrationID + e.GroupID }

func (e Enrollment) isGroup() bool { return e.GroupID != "" }

// complete checks an enrollment that a service has sent, and fills in the defaults.
func (e *Enrollment) complete() error {
	if err := checkID(e.id()); err != nil {
		return invalid("%v", err)
	}
	if e.DeviceID != "" {
		if e.isGroup() {
			return invalid("deviceId is not allowed in an enrollment group")
		}
		if err := iothub.CheckDeviceID(e.DeviceID); err != nil {
			return invalid("deviceId: %v", err)
		}
	}

	switch e.Status {
	case "":
		e.Status = iothub.Enabled
	case iothub.Enabled, iothub.Disabled:
	default:
		return invalid("provisioningStatus is %q, want enabled or disabled", e.Status)
	}

	if e.Capabilities != nil && e.Capabilities.IotEdge {
		return invalid("capabilities.iotEdge is true, but this hub does not support IoT Edge devices")
	}
	if e.Allocation == iothub.AllocateCustom {
		return invalid("allocationPolicy is custom, but this hub calls no functions, want hashed, geoLatency or static")
	}
	if e.Invitation != nil && (e.isGroup() || e.Attestation.Type != iothub.AttestSymmetricKey) {
		return invalid("an invitation must be an enrollment of a single device with a symmetric key")
	}
	return e.Attestation.complete(e.isGroup())
}

// complete checks the keys or certificates and creates missing keys. It removes all
// values that do not belong to the attestation's type.
func (a *Attestation) complete(group bool) error {
	switch a.Type {
	case iothub.AttestSymmetricKey:
		a.X509 = nil
		return a.completeKeys()

	case iothub.AttestX509:
		a.SymmetricKey = nil
		certificates, err := a.certificates(group)
		if err == nil && len(certificates) == 0 {
			err = errors.New("want at least one certificate")
		}
		for _, c := range a.X509.all() {
			c.Info = nil
		}
		if err != nil {
			return invalid("attestation.x509: %v", err)
		}
		return nil

	default:
		return invalid("attestation.type is %q, want symmetricKey or x509", a.Type)
	}
}

// completeKeys creates missing keys and checks the length of the given keys.
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

// deviceKeys holds the two keys of a device. The device may sign its token with either
// of them.
type deviceKeys struct{ primary, secondary iothub.Key }

// keys returns the keys of the device with the given registration id. In a group
// enrollment, it derives them from the group's keys.
func (a Attestation) keys(group bool, registrationID string) deviceKeys {
	if a.SymmetricKey == nil {
		return deviceKeys{}
	}

	parse := func(text string) iothub.Key {
		key, err := iothub.ParseKey(text)
		switch {
		case err != nil:
			return nil
		case group:
			return DeriveKey(key, registrationID)
		}
		return key
	}
	return deviceKeys{parse(a.SymmetricKey.PrimaryKey), parse(a.SymmetricKey.SecondaryKey)}
}

// DeriveKey returns a device's key in a group enrollment: the HMAC-SHA256 of the
// device's registration id, with the group's key.
func DeriveKey(groupKey iothub.Key, registrationID string) iothub.Key {
	h := hmac.New(sha256.New, groupKey)
	h.Write([]byte(registrationID))
	return h.Sum(nil)
}

// certificates returns the device's certificates in an individual enrollment, or the CA
// certificates in a group enrollment.
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

// checkID checks a registration id or group id. A valid id has 1 to 128 ASCII letters,
// digits and characters from "-._:". The last one is a letter, a digit or a dash.
func checkID(id string) error {
	if id == "" || len(id) > 128 {
		return fmt.Errorf("the id has %d characters, want 1 to 128", len(id))
	}

	for i, r := range id {
		alphanumeric := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		last := i == len(id)-1
		if !alphanumeric && r != '-' && (last || !strings.ContainsRune("._:", r)) {
			return fmt.Errorf("the id contains %q; allowed are ASCII letters, digits and -._: but the last character must be a letter, a digit or '-'", r)
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
