package api

import "github.com/latchd/latchd/transport/iothub"

// shownDevice is an identity as IoT Hub shows it: keys that a device does not
// have are null, not empty, which would ask for new ones.
type shownDevice struct {
	iothub.DeviceIdentity
	Authentication *shownAuthentication `json:"authentication,omitempty"`
}

type shownAuthentication struct {
	SymmetricKey   shownKeys             `json:"symmetricKey"`
	X509Thumbprint iothub.X509Thumbprint `json:"x509Thumbprint"`
	Type           string                `json:"type,omitempty"`
}

type shownKeys struct {
	PrimaryKey   *string `json:"primaryKey"`
	SecondaryKey *string `json:"secondaryKey"`
}

func shown(d iothub.DeviceIdentity) shownDevice {
	s := shownDevice{DeviceIdentity: d}
	if a := d.Authentication; a != nil {
		s.Authentication = &shownAuthentication{X509Thumbprint: a.X509Thumbprint, Type: a.Type,
			SymmetricKey: shownKeys{PrimaryKey: unlessEmpty(a.SymmetricKey.PrimaryKey), SecondaryKey: unlessEmpty(a.SymmetricKey.SecondaryKey)}}
	}
	return s
}

func unlessEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
