package iothub

import (
	"errors"
	"fmt"
	"strings"
)

// Device is what a device's connection string says: where its hub is, who the
// device is and how it proves it. Exactly one of Key, Signature and X509 is set.
type Device struct {
	HostName  string // the hub's name, as it is signed; may carry a port
	DeviceID  string
	ModuleID  string // empty for a device
	Gateway   string // GatewayHostName: where to connect instead of HostName
	Key       Key
	KeyName   string // policy name, when the key is a policy's
	Signature string // a ready-made shared access signature
	X509      bool
}

// Service is what a service connection string says: where the hub is and the
// shared access policy that is used.
type Service struct {
	HostName string
	KeyName  string
	Key      Key
}

// ParseDevice reads a device connection string:
// HostName=...;DeviceId=...;SharedAccessKey=... (or x509=true, or
// SharedAccessSignature=...), with ModuleId and GatewayHostName if need be.
func ParseDevice(text string) (Device, error) {
	parts, err := splitConnectionString(text, "HostName", "DeviceId", "ModuleId",
		"GatewayHostName", "SharedAccessKey", "SharedAccessKeyName", "SharedAccessSignature", "x509")
	if err != nil {
		return Device{}, err
	}
	d := Device{
		HostName:  parts["HostName"],
		DeviceID:  parts["DeviceId"],
		ModuleID:  parts["ModuleId"],
		Gateway:   parts["GatewayHostName"],
		KeyName:   parts["SharedAccessKeyName"],
		Signature: parts["SharedAccessSignature"],
	}
	if err := checkHostName("HostName", d.HostName); err != nil {
		return Device{}, err
	}
	if d.Gateway != "" {
		if err := checkHostName("GatewayHostName", d.Gateway); err != nil {
			return Device{}, err
		}
	}
	if d.DeviceID == "" {
		return Device{}, missing("DeviceId", "a service connection string has none: give the device's own")
	}
	if err := CheckDeviceID(d.DeviceID); err != nil {
		return Device{}, fmt.Errorf("connection string: DeviceId: %w", err)
	}
	if d.ModuleID != "" {
		if err := CheckDeviceID(d.ModuleID); err != nil {
			return Device{}, fmt.Errorf("connection string: ModuleId: %w", err)
		}
	}
	switch strings.ToLower(parts["x509"]) {
	case "", "false":
	case "true":
		d.X509 = true
	default:
		return Device{}, errors.New("connection string: x509 can be true or false, and is neither")
	}
	proofs := 0
	if text, ok := parts["SharedAccessKey"]; ok {
		proofs++
		if d.Key, err = ParseKey(text); err != nil {
			return Device{}, fmt.Errorf("connection string: SharedAccessKey: %w", err)
		}
	}
	if d.Signature != "" {
		proofs++
	}
	if d.X509 {
		proofs++
	}
	switch {
	case proofs == 0:
		return Device{}, missing("SharedAccessKey", "or x509=true for a device with a certificate")
	case proofs > 1:
		return Device{}, errors.New("connection string: give one of SharedAccessKey, SharedAccessSignature and x509=true, not several")
	}
	return d, nil
}

// ParseService reads a service connection string:
// HostName=...;SharedAccessKeyName=...;SharedAccessKey=...
func ParseService(text string) (Service, error) {
	parts, err := splitConnectionString(text, "HostName", "SharedAccessKeyName", "SharedAccessKey")
	if err != nil {
		return Service{}, err
	}
	s := Service{HostName: parts["HostName"], KeyName: parts["SharedAccessKeyName"]}
	if err := checkHostName("HostName", s.HostName); err != nil {
		return Service{}, err
	}
	if s.KeyName == "" {
		return Service{}, missing("SharedAccessKeyName", "the shared access policy, such as iothubowner")
	}
	key, ok := parts["SharedAccessKey"]
	if !ok {
		return Service{}, missing("SharedAccessKey", "the policy's primary or secondary key")
	}
	if s.Key, err = ParseKey(key); err != nil {
		return Service{}, fmt.Errorf("connection string: SharedAccessKey: %w", err)
	}
	return s, nil
}

// ConnectionString returns the text that ParseDevice reads. It contains the
// secret, if there is one.
func (d Device) ConnectionString() string {
	var b strings.Builder
	b.WriteString("HostName=" + d.HostName + ";DeviceId=" + d.DeviceID)
	if d.ModuleID != "" {
		b.WriteString(";ModuleId=" + d.ModuleID)
	}
	if d.Gateway != "" {
		b.WriteString(";GatewayHostName=" + d.Gateway)
	}
	if d.KeyName != "" {
		b.WriteString(";SharedAccessKeyName=" + d.KeyName)
	}
	switch {
	case d.X509:
		b.WriteString(";x509=true")
	case d.Signature != "":
		b.WriteString(";SharedAccessSignature=" + d.Signature)
	default:
		b.WriteString(";SharedAccessKey=" + d.Key.Base64())
	}
	return b.String()
}

// ConnectionString returns the text that ParseService reads. It contains the secret.
func (s Service) ConnectionString() string {
	return "HostName=" + s.HostName + ";SharedAccessKeyName=" + s.KeyName + ";SharedAccessKey=" + s.Key.Base64()
}

// splitConnectionString splits name=value parts at semicolons. Names are taken
// as the SDKs write them; values may contain '='.
func splitConnectionString(text string, names ...string) (map[string]string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("connection string: it is empty")
	}
	parts := make(map[string]string)
	for i, part := range strings.Split(strings.TrimSuffix(text, ";"), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("connection string: part %d has no '='; want Name=Value parts separated by ';'", i+1)
		}
		canonical := ""
		for _, n := range names {
			if strings.EqualFold(n, name) {
				canonical = n
			}
		}
		if canonical == "" {
			return nil, fmt.Errorf("connection string: part %d has a name that does not belong here; allowed: %s",
				i+1, strings.Join(names, ", "))
		}
		if _, twice := parts[canonical]; twice {
			return nil, fmt.Errorf("connection string: %s is given twice", canonical)
		}
		if value == "" {
			return nil, fmt.Errorf("connection string: %s is empty", canonical)
		}
		parts[canonical] = value
	}
	return parts, nil
}

func missing(name, hint string) error {
	return fmt.Errorf("connection string: %s is missing (%s)", name, hint)
}

func checkHostName(name, host string) error {
	if host == "" {
		return missing(name, "the hub's name, such as myhub.azure-devices.net")
	}
	// Only the character is quoted: the value may be a key in the wrong place.
	if i := strings.IndexAny(host, " /\\?#@\"'=+"); i >= 0 {
		return fmt.Errorf("connection string: %s has %q in it; want a host name without scheme or path", name, host[i])
	}
	return nil
}

// CheckDeviceID reports whether id can name a device: 1 to 128 characters of
// the set that IoT Hub's documentation lists for identities.
func CheckDeviceID(id string) error {
	if id == "" {
		return errors.New("the device id is empty")
	}
	if len(id) > 128 {
		return fmt.Errorf("the device id has %d characters; at most 128 are allowed", len(id))
	}
	for _, r := range id {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && !strings.ContainsRune("-.+%_#*?!(),:=@$'", r) {
			return fmt.Errorf("the device id has %q; allowed are ASCII letters, digits and -.+%%_#*?!(),:=@$'", r)
		}
	}
	return nil
}
