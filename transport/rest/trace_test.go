package rest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// A trace must contain no secrets, because users may send it to others.
func TestTraceHasNoSecrets(t *testing.T) {
	t.Parallel()

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "secret-cookie")
		respond(w, 200, `{"deviceId":"d","authentication":{"type":"sas","symmetricKey":{"primary\u004bey":"secret-1","secondaryKey":"secret-2"}},
			"statusReason":"HostName=h;DeviceId=d;SharedAccessKey=secret-3"}`)
	})
	var lines []string
	c, _ := hub.client(t, func(o *Options) { o.Trace = func(line string) { lines = append(lines, line) } })
	d, err := c.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "d", Authentication: &iothub.Authentication{Type: "sas",
		SymmetricKey: iothub.SymmetricKey{PrimaryKey: "secret-4", SecondaryKey: "secret-5"}}})
	if err != nil || d.Authentication.SymmetricKey.PrimaryKey != "secret-1" {
		t.Fatalf("the client received the answer as %+v, %v", d, err)
	}
	text := strings.Join(lines, "\n")
	sent := hub.recorded()[0].Header.Get("Authorization")
	for _, secret := range []string{"secret", sent, "sig=", "SharedAccess", base64.StdEncoding.EncodeToString(testKey)} {
		if strings.Contains(text, secret) {
			t.Errorf("the trace contains %q:\n%s", secret, text)
		}
	}
	for _, want := range []string{"> PUT https://", "/devices/d?api-version=", "> Authorization: (removed)", "> Request-Id: ",
		`"primaryKey":"(removed)"`, `"deviceId":"d"`, "< 200 OK after ", "< Set-Cookie: (removed)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the trace does not contain %q:\n%s", want, text)
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	t.Parallel()

	for body, want := range map[string]string{
		`{"a":[{"sasToken":"x","n":1.10}]}`:    `{"a":[{"n":1.10,"sasToken":"(removed)"}]}`,
		`["SharedAccessSignature sr=h&sig=x"]`: `["(removed)"]`,
		`{"monkey":{"position":"locked"}}`:     `{"monkey":{"position":"locked"}}`,
		`SharedAccessKey=x`:                    `(17 bytes that are not JSON)`,
		`{} SharedAccessKey=x`:                 `(20 bytes that are not JSON)`,
	} {
		if got := withoutSecrets([]byte(body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
