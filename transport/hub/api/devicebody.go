package api

import "github.com/latchd/latchd/transport/iothub"

// deviceBody is a device identity in IoT Hub's JSON form, in which a missing key is
// null. If a missing key were "", an SDK that sends the identity back would request a
// new key.
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
