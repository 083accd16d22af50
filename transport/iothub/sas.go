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

// DeviceResource returns the resource that a device's token is for, encoded as
// the official SDKs write it: HOST/devices/ID, or HOST/devices/ID/modules/ID.
func DeviceResource(host, deviceID, moduleID string) string {
	resource := host + "/devices/" + deviceID
	if moduleID != "" {
		resource += "/modules/" + moduleID
	}
	return Escape(resource)
}

// Sign makes a shared access signature for resource, which is written and
// signed just as it is given (see [DeviceResource]; a service token's resource
// is the bare host name). keyName is empty for a device's own key.
func Sign(resource string, key Key, keyName string, expiry time.Time) string {
	se := strconv.FormatInt(expiry.Unix(), 10)
	sig := base64.StdEncoding.EncodeToString(mac(key, resource, se))
	token := "SharedAccessSignature sr=" + resource + "&sig=" + Escape(sig)
	if keyName != "" {
		token += "&skn=" + Escape(keyName)
	}
	return token + "&se=" + se
}

// Signature is a parsed shared access signature. It has not been verified.
type Signature struct {
	Resource string // decoded
	KeyName  string // the policy; empty if the key is a device's own
	Expiry   time.Time

	rawResource, rawExpiry string // as written, which is what was signed
	mac                    []byte
}

// ParseSignature reads the text "SharedAccessSignature sr=...&sig=...&se=..."
// with the fields in any order.
func ParseSignature(text string) (Signature, error) {
	fields, ok := strings.CutPrefix(text, "SharedAccessSignature ")
	if !ok {
		return Signature{}, errors.New("token: it does not start with SharedAccessSignature")
	}
	raw := make(map[string]string)
	for _, field := range strings.Split(fields, "&") {
		name, value, ok := strings.Cut(field, "=")
		if !ok || value == "" {
			return Signature{}, errors.New("token: a field is not of the form name=value")
		}
		switch name {
		case "sr", "sig", "se", "skn":
		default:
			return Signature{}, errors.New("token: a field is none of sr, sig, se and skn")
		}
		if _, twice := raw[name]; twice {
			return Signature{}, fmt.Errorf("token: %s is given twice", name)
		}
		raw[name] = value
	}
	for _, name := range []string{"sr", "sig", "se"} {
		if raw[name] == "" {
			return Signature{}, fmt.Errorf("token: %s is missing", name)
		}
	}
	s := Signature{rawResource: raw["sr"], rawExpiry: raw["se"]}
	var err error
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

// SignedBy reports whether key made the signature, over the resource and the
// expiry as they were written. It says nothing of expiry or scope.
func (s Signature) SignedBy(key Key) bool {
	return len(key) > 0 && hmac.Equal(s.mac, mac(key, s.rawResource, s.rawExpiry))
}

// Covers reports whether the token's scope takes in resource: the same path, or
// one above it. Host names compare without case.
func (s Signature) Covers(resource string) bool {
	scope, want := strings.TrimSuffix(s.Resource, "/"), strings.TrimSuffix(resource, "/")
	scopeHost, scopePath, _ := strings.Cut(scope, "/")
	wantHost, wantPath, _ := strings.Cut(want, "/")
	if !strings.EqualFold(scopeHost, wantHost) {
		return false
	}
	return scopePath == "" || scopePath == wantPath || strings.HasPrefix(wantPath, scopePath+"/")
}

func mac(key Key, resource, expiry string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(resource + "\n" + expiry))
	return h.Sum(nil)
}
