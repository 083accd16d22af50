package api

import "github.com/latchd/latchd/transport/iothub"

// deviceBody is a device identity in IoT Hub's JSON form. In this form, a shared access
// key that the device lacks is null. It must not be "": if an SDK sent "" back, it
// would request a new key.
type deviceBody struct {
	iothub.DeviceIdentity
	Authentication *authenticationBody `json:"authentication,omitempty"`
}

type authenticationBody struct {
	SymmetricKey   keysBody                  `json:"symmetricKey"`
	X509Thumbprint iothub.X509Thumbprint     `json:"x509Thumbprint"`
	Type           iothub.AuthenticationType `json:"type,omitempty"`
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
