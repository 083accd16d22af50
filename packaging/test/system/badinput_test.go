package system

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

const (
	wrongKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	badKey   = "hunter2-hunter2"
)

// latchctl must refuse every bad input and change nothing. It must print one line that
// names the problem and contains no secret. Its exit code must be 2 for wrong usage and
// 1 for a failure.
func TestBadInputToLatchctl(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	h.CreateDevice(t, "d1")
	h.Ctl(t, "job", "schedule", "method", "ping", "--where", "deviceId = 'd1'", "--id", "taken").Want(t, 0)
	jobs := func() string { return h.Ctl(t, "-o", "json", "job", "list").Want(t, 0).Stdout }
	harness.Await(t, "the first job to end", func() error {
		job, err := h.Client(t).Job(t.Context(), "taken")
		if err == nil && !job.Status.Ended() {
			err = io.ErrNoProgress
		}
		return err
	})
	state := func() string {
		return jobs() + h.Ctl(t, "-o", "json", "device", "list").Want(t, 0).Stdout + h.Ctl(t, "-o", "json", "twin", "show", "d1").Want(t, 0).Stdout
	}
	before := state()

	good := h.Service(t)
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "hub")
		write(t, name, text)
		return name
	}
	hub := func(text string) []string {
		return []string{"--hub-file", file(text), "--endpoint", h.Endpoint(), "--ca-file", h.CA()}
	}
	key := good[strings.LastIndex(good, "SharedAccessKey=")+len("SharedAccessKey="):]
	otherCA := file(otherAuthority)
	gone := freeAddress(t)
	this := hub(good)
	list := []string{"device", "list"}
	lock := []string{"job", "schedule", "method", "lockDoor"}

	for _, test := range []struct {
		name string
		hub  []string
		args []string
		code int
		want string // expected part of the error
	}{
		{"connection string without a key", hub(strings.TrimSuffix(good, ";SharedAccessKey="+key)), list, 1, "SharedAccessKey is missing"},
		{"connection string of a device", hub("HostName=localhost;DeviceId=d1;SharedAccessKey=" + wrongKey), list, 1, "the name of part 2 is unknown"},
		{"key that is not base64", hub(strings.Replace(good, key, badKey, 1)), list, 1, "the key is not base64"},
		{"empty file", hub("\n"), list, 1, "the text is empty"},
		{"no such file", []string{"--hub-file", "/nonexistent/hub"}, list, 1, "/nonexistent/hub"},
		{"no hub given", nil, list, 2, "hub"},
		{"wrong key", hub(strings.Replace(good, key, wrongKey, 1)), list, 1, "IotHubUnauthorized"},
		{"unknown policy", hub(strings.Replace(good, "iothubowner", "nobody", 1)), list, 1, "401"},
		{"another hub's name", hub(strings.Replace(good, "localhost", "elsewhere", 1)), list, 1, "401"},
		{"hub not reachable", []string{"--hub-file", h.ServiceFile(), "--endpoint", "https://" + gone, "--ca-file", h.CA()}, list, 1, "not reachable"},
		{"authority not trusted", []string{"--hub-file", h.ServiceFile(), "--endpoint", h.Endpoint()}, list, 1, "--ca-file"},
		{"another authority", []string{"--hub-file", h.ServiceFile(), "--endpoint", h.Endpoint(), "--ca-file", otherCA}, list, 1, "--ca-file"},
		{"no endpoint", []string{"--hub-file", h.ServiceFile(), "--endpoint", "ftp://x", "--ca-file", h.CA()}, list, 2, "ftp"},

		{"unknown device's twin", this, []string{"twin", "show", "d2"}, 1, "no such device: d2"},
		{"lock of an unknown device", this, []string{"lock", "d2"}, 1, "no such device: d2"},
		{"method of an unknown device", this, []string{"method", "invoke", "d2", "ping"}, 1, "no such device: d2"},
		{"update of an unknown twin", this, []string{"twin", "update", "d2", "--desired", `{"floor":1}`}, 1, "no such device: d2"},
		{"device that exists", this, []string{"device", "create", "d1"}, 1, "d1"},
		{"invalid device id", this, []string{"device", "create", "d 1"}, 2, "' '"},
		{"desired properties are not JSON", this, []string{"twin", "update", "d1", "--desired", `{floor:1}`}, 2, "--desired"},
		{"desired properties are not an object", this, []string{"twin", "update", "d1", "--desired", `[1]`}, 2, "--desired"},

		{"incomplete condition", this, append(lock, "--where", "deviceId = "), 1, "line 1:12"},
		{"condition with an unknown operator", this, append(lock, "--where", "deviceId LIKE 'd%'"), 1, "line 1:10"},
		{"unterminated string", this, append(lock, "--where", "deviceId = 'd1"), 1, "line 1:12"},
		{"a whole SELECT", this, append(lock, "--where", "SELECT * FROM devices"), 2, "whole SELECT"},
		{"no condition", this, lock, 2, "--where"},
		{"condition that selects nothing", this, append(lock, "--where", "deviceId = 'd2'"), 1, "no device"},
		{"start in an unknown form", this, append(lock, "--where", "*", "--start", "soonish"), 2, "--start"},
		{"start in the past", this, append(lock, "--where", "*", "--start", "2001-01-01T00:00:00Z"), 2, "past"},
		{"job id in use", this, append(lock, "--where", "*", "--id", "taken"), 1, "taken"},
		{"invalid job id", this, append(lock, "--where", "*", "--id", "a/b"), 2, "'/'"},
		{"response timeout too short", this, append(lock, "--where", "*", "--timeout", "2s"), 2, "timeout"},
		{"payload is not JSON", this, append(lock, "--where", "*", "--payload", "{"), 2, "--payload"},
		{"unknown job", this, []string{"job", "show", "nope"}, 1, "no such job: nope"},
		{"not a query", this, []string{"query", "DELETE FROM devices"}, 1, "line 1:1"},
		{"unknown command", this, []string{"devise", "list"}, 2, "device"},
		{"unknown flag", this, []string{"device", "list", "--colour"}, 2, "--colour"},
		{"unknown output", this, []string{"-o", "yaml", "device", "list"}, 2, "yaml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := harness.Run(t, bin.Ctl(append(test.hub, test.args...)...))
			if r.Code != test.code {
				t.Errorf("exit code %d, want %d", r.Code, test.code)
			}
			checkOneLine(t, r, test.want)
			for _, secret := range []string{key, wrongKey, badKey} {
				if strings.Contains(r.Stdout+r.Stderr, secret) {
					t.Errorf("the output contains a secret")
				}
			}
		})
	}
	if after := state(); after != before {
		t.Errorf("the hub's state has changed; before:\n%s\nafter:\n%s", before, after)
	}
}

// The hub must refuse an expired token, both in its service API and in MQTT.
func TestExpiredToken(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	device := h.CreateDevice(t, "d1")
	service, err := iothub.ParseService(h.Service(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		expiry time.Time
		status int
	}{
		"valid":   {time.Now().Add(time.Minute), http.StatusOK},
		"expired": {time.Now().Add(-time.Minute), http.StatusUnauthorized},
	} {
		token := iothub.Sign(service.HostName, service.Key, service.KeyName, test.expiry)
		status, body := get(t, h, "/devices/d1?api-version="+iothub.APIVersion, token)
		if status != test.status {
			t.Errorf("%s token: status %d, want %d", name, status, test.status)
		}
		if status != http.StatusOK {
			refusal := iothub.ParseError(status, body)
			if refusal.Code != iothub.CodeUnauthorized || !strings.Contains(refusal.Message, "expired") {
				t.Errorf("the error %q does not say that the token is expired", refusal)
			}
		}
	}

	resource := iothub.DeviceResource(device.HostName, "d1", "")
	expired := iothub.Device{HostName: device.HostName, DeviceID: "d1",
		Signature: iothub.Sign(resource, device.Key, "", time.Now().Add(-time.Minute))}
	checkLoginRefused(t, h, expired)
}

// If the hub refuses a login, the agent must log one line and try again. The hub must
// not show the device as connected.
func TestWrongDeviceKey(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	device := h.CreateDevice(t, "d1")
	device.Key = iothub.NewKey()
	checkLoginRefused(t, h, device)
	device.DeviceID = "d2"
	checkLoginRefused(t, h, device)
}

func checkLoginRefused(t *testing.T, h *harness.Hub, device iothub.Device) {
	t.Helper()
	d := harness.NewDoor(t, h, device, "")
	d.Start(t)
	line := d.ExpectFunc(t, "a line about the refused login", func(line string) (string, bool) {
		return line, strings.Contains(line, "refused") || strings.Contains(line, "not authorized")
	})
	if strings.Contains(line, device.Key.Base64()) && len(device.Key) > 0 {
		t.Errorf("the log shows the key: %s", line)
	}
	if code := d.Stop(t); code != 0 {
		t.Errorf("latchd ended with exit code %d after SIGTERM, want 0", code)
	}
	if state := h.Twin(t, "d1").ConnectionState; state != iothub.Disconnected {
		t.Errorf("the device is %s, want disconnected", state)
	}
}

// latchd must end at once if the configuration of its lock is invalid, before it uses the
// lock or the network. It prints one line that names the file and the problem.
func TestBadConfigurationOfLatchd(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	door := harness.NewDoor(t, h, h.CreateDevice(t, "d1"), "")
	good, err := os.ReadFile(door.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, old, new string
		want           []string
	}{
		{"unknown key", "[lock]", "[lock]\ncolour = \"red\"", []string{"latchd.toml", "colour"}},
		{"not TOML", "[lock]", "[lock", []string{"latchd.toml"}},
		{"no driver", `driver = "mock"`, "", []string{"driver"}},
		{"unknown driver", `driver = "mock"`, `driver = "magic"`, []string{"driver", "magic"}},
		{"unknown fault", "[lock]", "[lock.mock]\nfault = \"rust\"\n[lock]", []string{"fault", "rust", "jam"}},
		{"no at_power_on", `at_power_on = "unlocked"`, "", []string{"at_power_on", "locked"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(string(good), test.old, test.new, 1)
			if text == string(good) {
				t.Fatal("the replacement does not change the configuration")
			}
			write(t, door.Config, text)
			r := harness.Run(t, door.Command())
			if r.Code != 1 {
				t.Errorf("exit code %d, want 1", r.Code)
			}
			checkOneLine(t, r, test.want...)
			if _, err := os.Stat(door.State); err == nil {
				t.Error("latchd created its state directory")
			}
		})
	}
}

// latchd must serve its lock although it cannot log in at the hub. It logs one line that
// names the problem and contains no secret, and logs in as soon as the files are right.
func TestBadCredentialsOfLatchd(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	device := h.CreateDevice(t, "d1")
	for _, test := range []struct {
		name, old, new string // change of the configuration
		secret         string // the connection string; empty leaves it alone
		want           []string
	}{
		{"no such credentials", "connection-string\"", "nothing\"", "", []string{"nothing"}},
		{"no such CA", "ca.pem", "no.pem", "", []string{"no.pem"}},
		{"unknown key", "[hub]", "[hub]\ncolour = \"red\"", "", []string{"latchd.toml", "colour"}},
		{"malformed connection string", "", "", "HostName=localhost;DeviceId=d1;SharedAccessKey=" + badKey,
			[]string{"connection-string", "the key is not base64"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			door := harness.NewDoor(t, h, device, "")
			good, err := os.ReadFile(door.Config)
			if err != nil {
				t.Fatal(err)
			}
			write(t, door.Config, strings.Replace(string(good), test.old, test.new, 1))
			secret := filepath.Join(filepath.Dir(door.Config), "connection-string")
			if test.secret != "" {
				write(t, secret, test.secret)
			}

			door.Start(t)
			line := door.ExpectFunc(t, "a line about the problem", func(line string) (string, bool) {
				return line, strings.Contains(line, "problem")
			})
			for _, word := range test.want {
				if !strings.Contains(line, word) {
					t.Errorf("the line %q does not contain %q", line, word)
				}
			}
			if strings.Contains(line, badKey) {
				t.Error("the line contains the secret")
			}
			harness.Await(t, "the agent to lock the door", func() error { // it may not listen yet
				if r := harness.Run(t, exec.Command(bin.Path("latchd"), "lock", "--config", door.Config)); r.Code != 0 {
					return errors.New(r.Stderr)
				}
				return nil
			})

			write(t, door.Config, string(good))
			write(t, secret, device.ConnectionString())
			door.Signal(syscall.SIGHUP)
			h.Invoke(t, "d1", "ping", nil)
			if code := door.Stop(t); code != 0 {
				t.Errorf("latchd ended with exit code %d after SIGTERM, want 0", code)
			}
		})
	}
}

// checkOneLine checks that a program printed one line on standard error, and nothing on
// standard output. The line must contain each of the words.
func checkOneLine(t *testing.T, r harness.Result, words ...string) {
	t.Helper()
	if r.Stdout != "" {
		t.Errorf("standard output is not empty: %q", r.Stdout)
	}
	if strings.Count(r.Stderr, "\n") != 1 || !strings.HasSuffix(r.Stderr, "\n") {
		t.Errorf("the error is not one line: %q", r.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("the error %q does not contain %q", r.Stderr, word)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress returns an address on which no server listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get sends a GET request with the given token to the hub's service API.
func get(t *testing.T, h *harness.Hub, path, token string) (status int, body []byte) {
	t.Helper()
	pem, err := os.ReadFile(h.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.Endpoint()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", token)
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// otherAuthority is the certificate of a CA that has issued no hub's certificate.
const otherAuthority = `-----BEGIN CERTIFICATE-----
MIIBkDCCATWgAwIBAgIUdpuaOWNJodbsLuSguCNY9gDx4wwwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTIzMjMyNDM2WhgP
MjEyNjEwMzAyMzI0MzZaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFomdNSfuPB4n0dvQ3YwDx0E3fd5l/LtR
Dn84BH/gTXV0mfyQjzNfOvmC2IECvxVerv2elDaBU0QD+hK8DUrcwaNTMFEwHQYD
VR0OBBYEFC1oWkkANdFqBilCU+Mq1y0u+K1dMB8GA1UdIwQYMBaAFC1oWkkANdFq
BilCU+Mq1y0u+K1dMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIh
AOsXw2RPXDw03f7KAK9EDp8moYF4yAtS3h0tSM8fIgHuAiEAv2w97MEO7hd0gkSG
Pjm5bhnSnssrODryCmClgVD8HVY=
-----END CERTIFICATE-----
`
