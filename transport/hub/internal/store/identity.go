package store

import (
	"encoding/hex"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/iothub"
)

// Limits on the fields of a device's identity, from IoT Hub's documentation.
const (
	maxStatusReason = 128 // characters
	minKeyLength    = 16  // bytes
	maxKeyLength    = 64  // bytes
)

// completeIdentity checks a device's identity from a service request. It sets a missing
// status, authentication type and keys.
func completeIdentity(d *iothub.DeviceIdentity) error {
	if err := iothub.CheckDeviceID(d.DeviceID); err != nil {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%v", err)
	}

	switch d.Status {
	case "":
		d.Status = iothub.Enabled
	case iothub.Enabled, iothub.Disabled:
	default:
		return iothub.Errorf(iothub.CodeArgumentInvalid, "status is %q: it must be enabled or disabled", d.Status)
	}
	if d.StatusReason != nil && utf8.RuneCountInString(*d.StatusReason) > maxStatusReason {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "statusReason has %d characters: at most %d are allowed",
			utf8.RuneCountInString(*d.StatusReason), maxStatusReason)
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

// completeAuthentication checks the settings with which a device logs in. It sets a
// missing authentication type and missing keys, and removes the keys and thumbprints that
// the type does not use.
func completeAuthentication(a *iothub.Authentication) error {
	keys, thumbprints := &a.SymmetricKey, &a.X509Thumbprint
	for _, t := range []**string{&thumbprints.PrimaryThumbprint, &thumbprints.SecondaryThumbprint} {
		if *t != nil && **t == "" {
			*t = nil
		}
	}

	hasThumbprint := thumbprints.PrimaryThumbprint != nil || thumbprints.SecondaryThumbprint != nil
	if a.Type == "" {
		a.Type = "sas"
		if hasThumbprint {
			a.Type = "selfSigned"
		}
	}

	switch a.Type {
	case "sas":
		*thumbprints = iothub.X509Thumbprint{}
		return completeKeys(keys)
	case "selfSigned":
		*keys = iothub.SymmetricKey{}
		if !hasThumbprint {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "authentication of type selfSigned needs a thumbprint in x509Thumbprint")
		}
		return checkThumbprints(thumbprints)
	case "certificateAuthority", "none":
		*keys, *thumbprints = iothub.SymmetricKey{}, iothub.X509Thumbprint{}
		return nil
	}
	return iothub.Errorf(iothub.CodeArgumentInvalid,
		"authentication.type is %q: it must be sas, selfSigned, certificateAuthority or none", a.Type)
}

// completeKeys checks a device's keys and generates the missing keys.
func completeKeys(keys *iothub.SymmetricKey) error {
	for _, key := range []*string{&keys.PrimaryKey, &keys.SecondaryKey} {
		if *key == "" {
			*key = iothub.NewKey().Base64()
		}

		k, err := iothub.ParseKey(*key)
		if err != nil {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "authentication.symmetricKey: %v", err)
		}
		if len(k) < minKeyLength || len(k) > maxKeyLength {
			return iothub.Errorf(iothub.CodeArgumentInvalid,
				"authentication.symmetricKey: the key has %d bytes, but must have %d to %d", len(k), minKeyLength, maxKeyLength)
		}
	}
	return nil
}

// checkThumbprints returns an error if a thumbprint is neither a SHA-1 nor a SHA-256
// hash.
func checkThumbprints(thumbprints *iothub.X509Thumbprint) error {
	for _, t := range []*string{thumbprints.PrimaryThumbprint, thumbprints.SecondaryThumbprint} {
		if t == nil {
			continue
		}
		if raw, err := hex.DecodeString(*t); err != nil || len(raw) != 20 && len(raw) != 32 {
			return iothub.Errorf(iothub.CodeArgumentInvalid,
				"authentication.x509Thumbprint: a thumbprint must have 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")
		}
	}
	return nil
}
