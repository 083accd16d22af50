package iothub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Tokens that were signed with testKeyText. The official Node SDK made most of them.
// OpenSSL made the signatures of tokens in a form that the SDK does not write.
const (
	deviceToken  = "SharedAccessSignature sr=localhost%2Fdevices%2Fd1&sig=LxqMOgDXQug55pDsSpIRBcoD%2Fq82xxjlGgmdqWUGHSI%3D&se=1795437432"
	moduleToken  = "SharedAccessSignature sr=localhost%2Fdevices%2Fd1%2Fmodules%2Fm1&sig=eERO23Gmhd7oenvsh858N9R4aVhrNbbtIqFmrOP1F4o%3D&se=1795437432"
	strictToken  = "SharedAccessSignature sr=Hub.example%3A8884%2Fdevices%2Fd%2a%281%29%21%27&sig=Iq1HZrCymU966Iee%2Ffj0X14m7710QoLq5grV4uy1tnA%3D&se=1795437432"
	serviceToken = "SharedAccessSignature sr=localhost&sig=O%2FJ%2FymxfDXEfxAcduabd6PQfaGS1%2F26ZBwQWXx7XYpg%3D&skn=iothubowner&se=1795437417"
	dpsToken     = "SharedAccessSignature sr=0ne0000000A/registrations/reg-1&sig=CS2VhIobk9Ai5nG6%2F1PgXlJ7yKIZ3KQYEbJCzA26ozg%3D&skn=registration&se=1795437432"
	lowerToken   = "SharedAccessSignature sr=localhost%2fdevices%2fd1&sig=OHJ5KCZzcplz1gcu5zTbvIbIKiBeMaN3iLl4yV3QkK4%3D&se=1795437432"
	plainToken   = "SharedAccessSignature sr=localhost/devices/d1&sig=%2FIQRGcP5gj3glbpks2sdmkRW3Pp5bkIsZVPkENRoCE0%3D&se=1795437432"
)

func TestSign(t *testing.T) {
	t.Parallel()

	expiry := time.Unix(1795437432, 999).UTC()
	for _, test := range []struct {
		name, resource, keyName string
		expiry                  time.Time
		want                    string
	}{
		{"device", iothub.DeviceResource("localhost", "d1", ""), "", expiry, deviceToken},
		{"module", iothub.DeviceResource("localhost", "d1", "m1"), "", expiry, moduleToken},
		{"characters that the SDK writes in lower-case hexadecimal",
			iothub.DeviceResource("Hub.example:8884", "d*(1)!'", ""), "", expiry, strictToken},
		{"service", "localhost", "iothubowner", time.Unix(1795437417, 0), serviceToken},
		{"provisioning, a resource that is not encoded", "0ne0000000A/registrations/reg-1", "registration", expiry, dpsToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := iothub.Sign(test.resource, testKey(t), test.keyName, test.expiry); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParseSignature(t *testing.T) {
	t.Parallel()

	const reordered = "SharedAccessSignature sig=LxqMOgDXQug55pDsSpIRBcoD%2fq82xxjlGgmdqWUGHSI%3d&se=1795437432&sr=localhost%2Fdevices%2Fd1"
	for _, test := range []struct {
		name, token, resource, keyName string
		expiry                         int64
	}{
		{"device", deviceToken, "localhost/devices/d1", "", 1795437432},
		{"module", moduleToken, "localhost/devices/d1/modules/m1", "", 1795437432},
		{"strict encoding", strictToken, "Hub.example:8884/devices/d*(1)!'", "", 1795437432},
		{"service", serviceToken, "localhost", "iothubowner", 1795437417},
		{"provisioning", dpsToken, "0ne0000000A/registrations/reg-1", "registration", 1795437432},
		{"resource in lower-case hexadecimal", lowerToken, "localhost/devices/d1", "", 1795437432},
		{"resource not encoded", plainToken, "localhost/devices/d1", "", 1795437432},
		{"fields in another order, signature in lower-case hexadecimal", reordered, "localhost/devices/d1", "", 1795437432},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := iothub.ParseSignature(test.token)
			if err != nil {
				t.Fatal(err)
			}
			if s.Resource != test.resource || s.KeyName != test.keyName || s.Expiry.Unix() != test.expiry {
				t.Errorf("got resource %q, policy %q, expiry %d", s.Resource, s.KeyName, s.Expiry.Unix())
			}
			if !s.SignedBy(testKey(t)) {
				t.Error("SignedBy refuses the key that made the signature")
			}
			if s.SignedBy(iothub.NewKey()) || s.SignedBy(nil) || s.SignedBy(iothub.Key{}) {
				t.Error("SignedBy accepts another key or an empty key")
			}
		})
	}
}

// The signature covers the resource and the expiry exactly as they are written. It is
// therefore invalid for a token that spells the same resource in another way.
func TestSignatureIsOverTheTextAsWritten(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, old, new string }{
		{"resource in the other case", "%2F", "%2f"},
		{"resource decoded", "localhost%2Fdevices%2Fd1", "localhost/devices/d1"},
		{"another device", "d1", "d2"},
		{"longer life", "se=1795437432", "se=1895437432"},
		{"the same time, written otherwise", "se=1795437432", "se=01795437432"},
		{"a bit of the signature", "sig=LxqM", "sig=LxqN"},
		{"signature cut short", "UGHSI%3D", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The signature itself contains %2F, whose letter may be upper or lower
			// case.
			sr, rest, _ := strings.Cut(deviceToken, "&sig=")
			token := strings.Replace(sr, test.old, test.new, -1) + "&sig=" + strings.Replace(rest, test.old, test.new, 1)
			if strings.HasPrefix(test.old, "sig=") {
				token = strings.Replace(deviceToken, test.old, test.new, 1)
			}
			if token == deviceToken {
				t.Fatal("the test case does not change the token")
			}
			if s, err := iothub.ParseSignature(token); err == nil && s.SignedBy(testKey(t)) {
				t.Errorf("the signature of %s was accepted", token)
			}
		})
	}
}

func TestParseSignatureRefuses(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, token, want string }{
		{"nothing", "", "does not start with"},
		{"a password of another kind", "hunter2", "does not start with"},
		{"the word alone", "SharedAccessSignature", "does not start with"},
		{"no fields", "SharedAccessSignature ", "not of the form"},
		{"no resource", "SharedAccessSignature sig=eA%3D%3D&se=1", "sr is missing"},
		{"no signature", "SharedAccessSignature sr=h&se=1", "sig is missing"},
		{"no expiry", "SharedAccessSignature sr=h&sig=eA%3D%3D", "se is missing"},
		{"empty signature", "SharedAccessSignature sr=h&sig=&se=1", "not of the form"},
		{"resource twice", "SharedAccessSignature sr=h&sr=i&sig=eA%3D%3D&se=1", "sr is given twice"},
		{"unknown field", "SharedAccessSignature sr=h&sig=eA%3D%3D&se=1&x=y", "allowed: sr, sig, se, skn"},
		{"resource not decodable", "SharedAccessSignature sr=%zz&sig=eA%3D%3D&se=1", "sr is not percent-encoded"},
		{"policy not decodable", "SharedAccessSignature sr=h&sig=eA%3D%3D&skn=%zz&se=1", "skn is not percent-encoded"},
		{"signature no base64", "SharedAccessSignature sr=h&sig=hunter2&se=1", "sig is not percent-encoded base64"},
		{"expiry no number", "SharedAccessSignature sr=h&sig=eA%3D%3D&se=tomorrow", "se is not a time"},
		{"expiry before 1970", "SharedAccessSignature sr=h&sig=eA%3D%3D&se=-1", "se is not a time"},
		{"expiry too large", "SharedAccessSignature sr=h&sig=eA%3D%3D&se=9223372036854775808", "se is not a time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := iothub.ParseSignature(test.token)
			if err == nil {
				t.Fatal("the token was accepted; want an error")
			}
			checkErrorText(t, err)
			if !strings.HasPrefix(err.Error(), "token: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to contain %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the token: %q", err)
			}
		})
	}
}

// An expiry that is too large for time.Time must not make a token valid for a long
// time.
func TestSignatureExpiry(t *testing.T) {
	t.Parallel()

	now := time.Unix(1795437432, 0)
	for _, test := range []struct {
		se      string
		expired bool
	}{
		{"0", true},
		{"1795437431", true},
		{"1795437433", false},
		{"253402300799", false},       // the last second of the year 9999
		{"9223372036854775807", true}, // too large for time.Time
	} {
		s, err := iothub.ParseSignature("SharedAccessSignature sr=h&sig=eA%3D%3D&se=" + test.se)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Expiry.Before(now); got != test.expired {
			t.Errorf("se=%s: expired is %v, want %v", test.se, got, test.expired)
		}
	}
}

func TestSignatureCovers(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		scope, resource string
		want            bool
	}{
		{"h/devices/d1", "h/devices/d1", true},
		{"h/devices/d1/", "h/devices/d1", true},
		{"h/devices/d1", "h/devices/d1/", true},
		{"h/devices/d1", "h/devices/d1/modules/m1", true},
		{"h/devices", "h/devices/d1", true},
		{"h", "h/devices/d1", true},
		{"h", "h", true},
		{"HUB.Example", "hub.example/devices/d1", true},
		{"h:8884/devices/d1", "h:8884/devices/d1", true},

		{"h/devices/d1", "h/devices/d10", false},
		{"h/devices/d10", "h/devices/d1", false},
		{"h/devices/d1", "h/devices/D1", false},
		{"h/devices/d1", "h/devices", false},
		{"h/devices/d1", "h", false},
		{"h/devices/d1/modules/m1", "h/devices/d1", false},
		{"h/devices/d1/modules/m1", "h/devices/d1/modules/m10", false},
		{"h/dev", "h/devices/d1", false},
		{"h/devices/d1", "other/devices/d1", false},
		{"h", "hub/devices/d1", false},
		{"hub", "h/devices/d1", false},
		{"h:8884", "h/devices/d1", false},
		{"/devices/d1", "h/devices/d1", false},
		{"devices/d1", "h/devices/d1", false},
	} {
		token := iothub.Sign(iothub.Escape(test.scope), testKey(t), "", time.Unix(1, 0))
		s, err := iothub.ParseSignature(token)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Covers(test.resource); got != test.want {
			t.Errorf("%q covers %q: got %v, want %v", test.scope, test.resource, got, test.want)
		}
	}
}
