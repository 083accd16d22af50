package iothub

import (
	"errors"
	"fmt"
	"strings"
)

// Device is a parsed device connection string. It says how to log in to a hub as one
// device. Exactly one of Key, Signature and X509 is set.
type Device struct {
	HostName  string // the hub's host name, with an optional port; tokens are signed for this name
	DeviceID  string
	ModuleID  string // empty for a device
	Gateway   string // host to connect to instead of HostName; empty means HostName
	Key       Key
	KeyName   string // name of the shared access policy that owns Key; empty if Key is the device's own
	Signature string // a ready-made shared access signature
	X509      bool   // the device logs in with a certificate
}

// Service is a parsed service connection string: a hub and one of its shared access
// policies.
type Service struct {
	HostName string
	KeyName  string // name of the shared access policy
	Key      Key
}

// ParseDevice parses a device connection string, such as
// HostName=...;DeviceId=...;SharedAccessKey=... The string may contain x509=true or
// SharedAccessSignature=... instead of the key. ModuleId and GatewayHostName are
// optional.
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
	if err := d.checkNames(); err != nil {
		return Device{}, err
	}

	switch strings.ToLower(parts["x509"]) {
	case "", "false":
	case "true":
		d.X509 = true
	default:
		return Device{}, errors.New("connection string: x509 must be true or false")
	}

	key, hasKey := parts["SharedAccessKey"]
	if hasKey {
		if d.Key, err = ParseKey(key); err != nil {
			return Device{}, fmt.Errorf("connection string: SharedAccessKey: %w", err)
		}
	}

	switch count(hasKey, d.Signature != "", d.X509) {
	case 0:
		return Device{}, missing("SharedAccessKey", "or x509=true for a device with a certificate")
	case 1:
		return d, nil
	default:
		return Device{}, errors.New("connection string: use only one of SharedAccessKey, SharedAccessSignature and x509=true")
	}
}

// checkNames checks the host names and ids of a device connection string.
func (d Device) checkNames() error {
	if err := checkHostName("HostName", d.HostName); err != nil {
		return err
	}
	if d.Gateway != "" {
		if err := checkHostName("GatewayHostName", d.Gateway); err != nil {
			return err
		}
	}

	if d.DeviceID == "" {
		return missing("DeviceId", "use the device's own connection string, not one of a service")
	}
	if err := CheckDeviceID(d.DeviceID); err != nil {
		return fmt.Errorf("connection string: DeviceId: %w", err)
	}
	if d.ModuleID != "" {
		if err := CheckDeviceID(d.ModuleID); err != nil {
			return fmt.Errorf("connection string: ModuleId: %w", err)
		}
	}

	return nil
}

// ParseService parses a service connection string, such as
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
		return Service{}, missing("SharedAccessKeyName", "the name of a shared access policy, such as iothubowner")
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

// ConnectionString returns the device connection string for d. The string contains the
// device's key or token, so it must not be logged.
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

// ConnectionString returns the service connection string for s. The string contains the
// policy's key, so it must not be logged.
func (s Service) ConnectionString() string {
	return "HostName=" + s.HostName + ";SharedAccessKeyName=" + s.KeyName + ";SharedAccessKey=" + s.Key.Base64()
}

// splitConnectionString splits a connection string into its Name=Value parts. A value
// may contain '='. Names are compared without regard to case. A part whose name is not
// in names is an error. The keys of the returned map are spelled as in names.
//
// The value of DeviceId and of ModuleId may contain ';', as IoT Hub's ids may, if no '='
// follows it. Spaces around a part, and quotes around the whole string, are ignored:
// people copy connection strings from web pages and shell commands.
func splitConnectionString(text string, names ...string) (map[string]string, error) {
	text, err := unquote(strings.TrimSpace(text))
	switch {
	case err != nil:
		return nil, err
	case text == "":
		return nil, errors.New("connection string: the text is empty")
	case strings.ContainsAny(text, "\r\n"):
		return nil, errors.New("connection string: the text has several lines; want one line")
	}

	parts := make(map[string]string)
	previous := ""
	for i, part := range strings.Split(strings.TrimSuffix(text, ";"), ";") {
		part = strings.TrimSpace(part)
		name, value, ok := strings.Cut(part, "=")
		if !ok && part != "" && (previous == "DeviceId" || previous == "ModuleId") {
			parts[previous] += ";" + part
			continue
		}
		if !ok {
			return nil, fmt.Errorf("connection string: part %d has no '='; want Name=Value parts separated by ';'", i+1)
		}

		canonical := canonicalName(strings.TrimSpace(name), names)
		if canonical == "" {
			return nil, fmt.Errorf("connection string: the name of part %d is unknown; allowed: %s",
				i+1, strings.Join(names, ", "))
		}

		if _, twice := parts[canonical]; twice {
			return nil, fmt.Errorf("connection string: %s is given twice", canonical)
		}
		if value = strings.TrimSpace(value); value == "" {
			return nil, fmt.Errorf("connection string: %s is empty", canonical)
		}
		parts[canonical] = value
		previous = canonical
	}

	return parts, nil
}

// canonicalName returns the element of names that equals name without regard to case, or
// "" if there is none.
func canonicalName(name string, names []string) string {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return ""
}

// unquote removes quotes around a connection string.
func unquote(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) && !strings.HasPrefix(text, "'") {
		return text, nil
	}

	quote := text[:1]
	if len(text) < 2 || !strings.HasSuffix(text, quote) {
		return "", fmt.Errorf("connection string: it begins with the quote %s but does not end with it; remove the quote", quote)
	}
	return strings.TrimSpace(text[1 : len(text)-1]), nil
}

func missing(name, hint string) error {
	return fmt.Errorf("connection string: %s is missing (%s)", name, hint)
}

// count returns how many of the values are true.
func count(values ...bool) int {
	n := 0
	for _, v := range values {
		if v {
			n++
		}
	}

	return n
}

// checkHostName checks a host name with an optional port. Its error quotes only the
// invalid character, because users sometimes put a key where the name belongs.
func checkHostName(name, host string) error {
	if host == "" {
		return missing(name, "the hub's name, such as myhub.azure-devices.net")
	}
	if i := strings.IndexAny(host, " /\\?#@\"'=+"); i >= 0 {
		return fmt.Errorf("connection string: %s contains %q; want a host name without scheme or path", name, host[i])
	}

	return nil
}
