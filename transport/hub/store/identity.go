package store

import (
	"encoding/hex"

	"github.com/latchd/latchd/transport/iothub"
)

// Bounds of an identity, from IoT Hub's documentation.
const (
	maxStatusReason      = 128    // characters
	minKeyLen, maxKeyLen = 16, 64 // bytes
)

// completeIdentity checks what the service gave and fills in what it left to the
// hub: the status, the kind of authentication and the keys.
func completeIdentity(d *iothub.DeviceIdentity) error {
	if err := iothub.CheckDeviceID(d.DeviceID); err != nil {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%v", err)
	}
	switch d.Status {
	case "":
		d.Status = iothub.Enabled
	case iothub.Enabled, iothub.Disabled:
	default:
		return iothub.Errorf(iothub.CodeArgumentInvalid, "status is %q, it can be enabled or disabled", d.Status)
	}
	if d.StatusReason != nil && len(*d.StatusReason) > maxStatusReason {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "statusReason has %d characters, at most %d are allowed",
			len(*d.StatusReason), maxStatusReason)
	}
	var a iothub.Authentication
	if d.Authentication != nil {
		a = *d.Authentication
	}
	if err := completeAuthentication(&a); err != nil {
		return err
	}
	d.Authentication = &a
	return nil
}

func completeAuthentication(a *iothub.Authentication) error {
	keys, thumbs := &a.SymmetricKey, &a.X509Thumbprint
	for _, t := range []**string{&thumbs.PrimaryThumbprint, &thumbs.SecondaryThumbprint} {
		if *t != nil && **t == "" {
			*t = nil
		}
	}
	hasThumbprint := thumbs.PrimaryThumbprint != nil || thumbs.SecondaryThumbprint != nil
	if a.Type == "" {
		a.Type = "sas"
		if hasThumbprint {
			a.Type = "selfSigned"
		}
	}
	switch a.Type {
	case "sas":
		*thumbs = iothub.X509Thumbprint{}
		for _, key := range []*string{&keys.PrimaryKey, &keys.SecondaryKey} {
			if *key == "" {
				*key = iothub.NewKey().Base64()
			}
			k, err := iothub.ParseKey(*key)
			if err != nil {
				return iothub.Errorf(iothub.CodeArgumentInvalid, "authentication.symmetricKey: %v", err)
			}
			if len(k) < minKeyLen || len(k) > maxKeyLen {
				return iothub.Errorf(iothub.CodeArgumentInvalid,
					"authentication.symmetricKey: the key has %d bytes, it can have %d to %d", len(k), minKeyLen, maxKeyLen)
			}
		}
	case "selfSigned":
		*keys = iothub.SymmetricKey{}
		if !hasThumbprint {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "authentication of type selfSigned needs a thumbprint in x509Thumbprint")
		}
		for _, t := range []*string{thumbs.PrimaryThumbprint, thumbs.SecondaryThumbprint} {
			if t == nil {
				continue
			}
			if raw, err := hex.DecodeString(*t); err != nil || len(raw) != 20 && len(raw) != 32 {
				return iothub.Errorf(iothub.CodeArgumentInvalid,
					"authentication.x509Thumbprint: want 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")
			}
		}
	case "certificateAuthority", "none":
		*keys, *thumbs = iothub.SymmetricKey{}, iothub.X509Thumbprint{}
	default:
		return iothub.Errorf(iothub.CodeArgumentInvalid,
			"authentication.type is %q, it can be sas, selfSigned, certificateAuthority or none", a.Type)
	}
	return nil
}
