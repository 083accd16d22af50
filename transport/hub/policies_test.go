package hub_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/hub/credentials"
	"github.com/latchd/latchd/transport/iothub"
)

// status sends a request with a key of a policy and returns the status code of the
// answer.
func (r *running) status(t *testing.T, policy iothub.Service, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+r.at.HTTPS.String()+path+"?api-version=2021-04-12", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", iothub.Sign("hub.test", policy.Key, policy.KeyName, time.Now().Add(time.Hour)))
	answer, err := r.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// canLogIn reports whether a device can log in with a key of a policy.
func (r *running) canLogIn(policy iothub.Service, id string) bool {
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("ssl://" + r.at.MQTT.String()).SetTLSConfig(r.tls()).
		SetProtocolVersion(4).SetClientID(id).SetAutoReconnect(false).SetConnectRetry(false).
		SetUsername(iothub.UserName{HostName: "hub.test", DeviceID: id}.String()).
		SetPassword(iothub.Sign(iothub.DeviceResource("hub.test", id, ""), policy.Key, policy.KeyName, time.Now().Add(time.Hour))))
	token := c.Connect()
	token.Wait()
	c.Disconnect(0)
	return token.Error() == nil
}

// policy returns the connection string of a policy, with its primary or secondary key.
func policy(t *testing.T, dir, name string, secondary bool) iothub.Service {
	t.Helper()
	text, err := credentials.PolicyConnectionString(dir, name, secondary)
	if err != nil {
		t.Fatal(err)
	}
	service, err := iothub.ParseService(text)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// Each policy must have exactly the rights that it has in IoT Hub.
func TestPolicyRights(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	r.createDevice("door1")
	requests := []string{ // one request for each right
		"GET /devices/door1",        // RegistryRead
		"GET /statistics/devices",   // RegistryRead
		"PUT /devices/door2",        // RegistryWrite
		"GET /twins/door1",          // ServiceConnect
		"POST /twins/door1/methods", // ServiceConnect
		"POST /devices/query",       // ServiceConnect
		"GET /jobs/v2/query",        // ServiceConnect
	}
	for _, test := range []struct {
		policy string
		may    string // for each request: y if it is allowed, n if not
		device bool   // a device can log in with the policy's key
	}{
		{"iothubowner", "yyyyyyy", true},
		{"service", "nnnyyyy", false},
		{"device", "nnnnnnn", true},
		{"registryRead", "yynnnnn", false},
		{"registryReadWrite", "yyynnnn", false},
	} {
		for _, secondary := range []bool{false, true} {
			p := policy(t, r.dir, test.policy, secondary)
			may := ""
			for _, request := range requests {
				method, path, _ := strings.Cut(request, " ")
				if r.status(t, p, method, path) == http.StatusUnauthorized {
					may += "n"
				} else {
					may += "y"
				}
			}
			if may != test.may {
				t.Errorf("%s, secondary %v: of %q the policy may %s, want %s", test.policy, secondary, requests, may, test.may)
			}
			if in := r.canLogIn(p, "door1"); in != test.device {
				t.Errorf("%s, secondary %v: a device can log in: %v, want %v", test.policy, secondary, in, test.device)
			}
		}
	}
}

func TestRollPolicy(t *testing.T) {
	t.Parallel()

	for _, name := range credentials.PolicyNames() {
		for _, secondary := range []bool{false, true} {
			dir := t.TempDir()
			start(t, dir).stop()
			old, other := policy(t, dir, name, secondary), policy(t, dir, name, !secondary)
			if err := credentials.RollPolicyKey(dir, name, secondary); err != nil {
				t.Fatal(err)
			}
			if changed := policy(t, dir, name, secondary); changed.Key.Base64() == old.Key.Base64() {
				t.Errorf("%s, secondary %v: the key has not changed", name, secondary)
			}
			if policy(t, dir, name, !secondary).Key.Base64() != other.Key.Base64() {
				t.Errorf("%s, secondary %v: the other key has changed", name, secondary)
			}
		}
	}
	dir := t.TempDir()
	start(t, dir).stop()
	old, other := policy(t, dir, "service", false), policy(t, dir, "service", true)
	if err := credentials.RollPolicyKey(dir, "service", false); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir)
	for what, test := range map[string]struct {
		service iothub.Service
		want    int
	}{"the old key": {old, 401}, "the other key": {other, 404}, "the new key": {policy(t, dir, "service", false), 404}} {
		if got := r.status(t, test.service, "GET", "/twins/none"); got != test.want {
			t.Errorf("%s: %d, want %d", what, got, test.want)
		}
	}
}

func TestPolicyFileErrors(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"{":                                 "correct the file, or remove it to get new keys",
		`{"nobody":{}}`:                     `unknown policy "nobody"; the policies are iothubowner, service`,
		`{"service":{"key":"x"}}`:           "unknown field",
		`{"service":{"primaryKey":"?"}}`:    "policy service: the key is not base64",
		`{"service":{"primaryKey":"AAA="}}`: "policy service: the key is empty",
	} {
		dir := t.TempDir()
		start(t, dir).stop()
		if err := os.WriteFile(filepath.Join(dir, "policies.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := hub.Run(t.Context(), hub.Options{DataDir: dir, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", Name: "hub.test"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	if _, err := credentials.PolicyConnectionString(t.TempDir(), "service", false); err == nil || !strings.Contains(err.Error(), "start the hub once") {
		t.Errorf("a directory without a hub: %v", err)
	}
}
