package iothub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DeviceResource returns the resource for which a device signs its token:
// HOST/devices/ID or HOST/devices/ID/modules/ID, encoded as the official SDKs do.
func DeviceResource(host, deviceID, moduleID string) string {
	resource := host + "/devices/" + deviceID
	if moduleID != "" {
		resource += "/modules/" + moduleID
	}

	return Escape(resource)
}

// Sign returns a shared access signature for resource. The caller must percent-encode
// the resource. A device uses the result of [DeviceResource]; a service uses its hub's
// host name. keyName is the name of the shared access policy, or empty for a device's
// own key.
func Sign(resource string, key Key, keyName string, expiry time.Time) string {
	se := strconv.FormatInt(expiry.Unix(), 10)
	sig := base64.StdEncoding.EncodeToString(mac(key, resource, se))

	token := "SharedAccessSignature sr=" + resource + "&sig=" + Escape(sig)
	if keyName != "" {
		token += "&skn=" + Escape(keyName)
	}
	return token + "&se=" + se
}

// Signature is a parsed but unverified shared access signature. To verify it, call
// SignedBy and Covers, and compare Expiry with the time.
type Signature struct {
	Resource string // the resource after percent-decoding
	KeyName  string // name of the shared access policy; empty for a device's own key
	Expiry   time.Time

	rawResource string // the resource before percent-decoding, as it was signed
	rawExpiry   string // the expiry as written in the token, as it was signed
	mac         []byte // the HMAC-SHA256 that the token contains
}

// ParseSignature parses the text "SharedAccessSignature sr=...&sig=...&se=...". The
// fields may be in any order.
func ParseSignature(text string) (Signature, error) {
	raw, err := splitSignature(text)
	if err != nil {
		return Signature{}, err
	}

	s := Signature{rawResource: raw["sr"], rawExpiry: raw["se"]}
	if s.Resource, err = url.PathUnescape(raw["sr"]); err != nil {
		return Signature{}, errors.New("token: sr is not percent-encoded")
	}
	if s.KeyName, err = url.PathUnescape(raw["skn"]); err != nil {
		return Signature{}, errors.New("token: skn is not percent-encoded")
	}

	seconds, err := strconv.ParseInt(raw["se"], 10, 64)
	if err != nil || seconds < 0 {
		return Signature{}, errors.New("token: se is not a time in seconds since 1970")
	}
	s.Expiry = time.Unix(seconds, 0)

	sig, err := url.PathUnescape(raw["sig"])
	if err == nil {
		s.mac, err = base64.StdEncoding.DecodeString(sig)
	}
	if err != nil {
		return Signature{}, errors.New("token: sig is not percent-encoded base64")
	}

	return s, nil
}

// splitSignature returns the encoded fields of a shared access signature by name.
func splitSignature(text string) (map[string]string, error) {
	fields, ok := strings.CutPrefix(text, "SharedAccessSignature ")
	if !ok {
		return nil, errors.New("token: it does not start with SharedAccessSignature")
	}

	raw := make(map[string]string)
	for _, field := range strings.Split(fields, "&") {
		name, value, ok := strings.Cut(field, "=")
		if !ok || value == "" {
			return nil, errors.New("token: a field is not of the form name=value")
		}

		switch name {
		case "sr", "sig", "se", "skn":
		default:
			return nil, errors.New("token: a field is unknown; allowed: sr, sig, se, skn")
		}
		if _, twice := raw[name]; twice {
			return nil, fmt.Errorf("token: %s is given twice", name)
		}
		raw[name] = value
	}

	for _, name := range []string{"sr", "sig", "se"} {
		if raw[name] == "" {
			return nil, fmt.Errorf("token: %s is missing", name)
		}
	}

	return raw, nil
}

// SignedBy reports whether the signature was made with key. It does not check the
// signature's expiry or resource.
func (s Signature) SignedBy(key Key) bool {
	return len(key) > 0 && hmac.Equal(s.mac, mac(key, s.rawResource, s.rawExpiry))
}

// Covers reports whether the token gives access to resource. A token covers its own
// resource and all resources below it in the path. Host names are compared without
// regard to case.
func (s Signature) Covers(resource string) bool {
	scopeHost, scopePath, _ := strings.Cut(strings.TrimSuffix(s.Resource, "/"), "/")
	wantHost, wantPath, _ := strings.Cut(strings.TrimSuffix(resource, "/"), "/")
	if !strings.EqualFold(scopeHost, wantHost) {
		return false
	}

	return scopePath == "" || scopePath == wantPath || strings.HasPrefix(wantPath, scopePath+"/")
}

// mac returns the HMAC-SHA256 of a resource and an expiry. Both must be written as in
// the token.
func mac(key Key, resource, expiry string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(resource + "\n" + expiry))
	return h.Sum(nil)
}
