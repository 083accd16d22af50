package api

import "github.com/latchd/latchd/transport/iothub"

// deviceBody is a device identity as IoT Hub returns it: missing keys are null. An
// SDK that sends the identity back with empty keys would request new keys.
type deviceBody struct {
	iothub.DeviceIdentity
	Authentication *authenticationBody `json:"authentication,omitempty"`
}

type authenticationBody struct {
	SymmetricKey   keysBody              `json:"symmetricKey"`
	X509Thumbprint iothub.X509Thumbprint `json:"x509Thumbprint"`
	Type           string                `json:"type,omitempty"`
}

type keysBody struct {
	PrimaryKey   *string `json:"primaryKey"`
	SecondaryKey *string `json:"secondaryKey"`
}

func newDeviceBody(d iothub.DeviceIdentity) deviceBody {
	body := deviceBody{DeviceIdentity: d}
	if a := d.Authentication; a != nil {
		keys := keysBody{PrimaryKey: nullIfEmpty(a.SymmetricKey.PrimaryKey), SecondaryKey: nullIfEmpty(a.SymmetricKey.SecondaryKey)}
		body.Authentication = &authenticationBody{X509Thumbprint: a.X509Thumbprint, Type: a.Type, SymmetricKey: keys}
	}
	return body
}

func nullIfEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
