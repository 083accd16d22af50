package iothub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// testKeyText is a key with the bytes 0 to 31 in base64.
const testKeyText = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func testKey(t testing.TB) iothub.Key {
	t.Helper()
	key, err := iothub.ParseKey(testKeyText)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeyRoundTrip(t *testing.T) {
	t.Parallel()

	key := testKey(t)
	if len(key) != 32 || key[31] != 31 {
		t.Errorf("the key's bytes are not 0 to 31")
	}
	if got := key.Base64(); got != testKeyText {
		t.Errorf("Base64() = %q, want %q", got, testKeyText)
	}
	if a, b := iothub.NewKey(), iothub.NewKey(); len(a) != 32 || a.Base64() == b.Base64() {
		t.Error("NewKey: want 32 bytes that differ at each call")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", "no base64!", "AAEC AwQF", "AAECAw"} {
		if key, err := iothub.ParseKey(text); err == nil {
			t.Errorf("ParseKey(%q) has %d bytes, want an error", text, len(key))
		}
	}
}

func TestKeyNeverPrints(t *testing.T) {
	t.Parallel()

	service := iothub.Service{HostName: "h", KeyName: "n", Key: testKey(t)}
	asJSON, err := json.Marshal(service)
	if err != nil {
		t.Fatal(err)
	}

	printed := map[string]string{
		"String":   service.Key.String(),
		"json":     string(asJSON),
		"wrapped":  fmt.Errorf("cannot use %v: %w", service, fmt.Errorf("bad %s", service.Key)).Error(),
		"Sprint":   fmt.Sprint(service.Key),
		"Sprintln": fmt.Sprintln(&service),
	}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%08b"} {
		printed[verb] = fmt.Sprintf(verb, service.Key)
		printed["struct "+verb] = fmt.Sprintf(verb, []iothub.Key{service.Key})
	}

	for how, text := range printed {
		if !strings.Contains(text, "[key]") {
			t.Errorf("%s: %q does not say [key]", how, text)
		}
		for _, secret := range []string{testKeyText, "000102030405", "0 1 2 3", "\x00\x01\x02", "00000001 00000010"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the key: %q", how, text)
			}
		}
	}
}
