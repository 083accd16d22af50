package interop

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// mosquitto is a device that consists of Mosquitto's command-line clients. These
// clients know nothing of IoT Hub.
type mosquitto struct {
	hub  *harness.Hub
	id   string
	auth []string // arguments for the login
}

// command returns the command that runs one of Mosquitto's clients as this device.
func (m mosquitto) command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	_, port, err := net.SplitHostPort(m.hub.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	user := iothub.UserName{HostName: "localhost", DeviceID: m.id}.String()
	args = append([]string{"-V", "mqttv311", "-h", "localhost", "-p", port, "--cafile", m.hub.CA(), "-i", m.id, "-u", user}, args...)
	return exec.Command(program, append(args, m.auth...)...)
}

// TestMosquitto runs a device with Mosquitto's MQTT clients, which are independent of
// IoT Hub's SDKs.
func TestMosquitto(t *testing.T) {
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mosquitto's clients are not installed, and CI must not skip tests: %v", err)
		}
		t.Skipf("SKIPPED: mosquitto's clients are not installed: %v", err)
	}
	h := harness.StartHub(t, bin)
	device := h.CreateDevice(t, "m1")
	password := func(device iothub.Device) []string {
		return []string{"-P", iothub.Sign(iothub.DeviceResource("localhost", device.DeviceID, ""), device.Key, "", time.Now().Add(time.Hour))}
	}
	m := mosquitto{h, "m1", password(device)}

	t.Run("a method is received and answered", func(t *testing.T) {
		type result struct {
			response iothub.MethodResponse
			err      error
		}
		ended := make(chan result, 1)
		go func() {
			response, err := h.Client(t).InvokeMethod(t.Context(), "m1", iothub.MethodRequest{
				MethodName: "lockDoor", Payload: []byte(`{"reason":"night"}`), ResponseTimeoutInSeconds: 60, ConnectTimeoutInSeconds: 60})
			ended <- result{response, err}
		}()
		// mosquitto_sub ends after the first message, so another client sends the
		// answer on its own connection.
		got := harness.Run(t, m.command(t, "mosquitto_sub", "-t", iothub.MethodsFilter, "-C", "1", "-F", "%t %p")).Want(t, 0).Stdout
		topic, payload, _ := strings.Cut(strings.TrimSpace(got), " ")
		name, rid, err := iothub.ParseMethodRequest(topic)
		if err != nil || name != "lockDoor" || payload != `{"reason":"night"}` {
			t.Fatalf("the device received %q: %v", got, err)
		}
		harness.Run(t, m.command(t, "mosquitto_pub", "-t", iothub.MethodResponseTopic(200, rid), "-m", `{"position":"locked"}`)).Want(t, 0)
		if e := <-ended; e.err != nil || e.response.Status != 200 || string(e.response.Payload) != `{"position":"locked"}` {
			t.Errorf("the service received %d %s, %v", e.response.Status, e.response.Payload, e.err)
		}
	})
	t.Run("the hub stores a report", func(t *testing.T) {
		// With QoS 1, the client ends only after the hub has acknowledged the report.
		harness.Run(t, m.command(t, "mosquitto_pub", "-q", "1", "-t", "$iothub/twin/PATCH/properties/reported/?$rid=1", "-m", `{"lock":"locked"}`)).Want(t, 0)
		if reported := h.Twin(t, "m1").Properties.Reported; reported["lock"] != "locked" {
			t.Errorf("reported is %v", reported)
		}
	})
	t.Run("a desired patch arrives", func(t *testing.T) {
		// With -d and line buffering, the client prints a line once it has subscribed.
		cmd := m.command(t, "mosquitto_sub", "-d", "-t", iothub.DesiredFilter, "-C", "1", "-F", "got %t %p")
		sub := harness.Start(t, "mosquitto_sub", exec.Command("stdbuf", append([]string{"-oL"}, cmd.Args...)...))
		sub.Expect(t, "Subscribed ")
		h.UpdateDesired(t, "m1", `{"floor":3}`)
		if got := sub.Expect(t, "got "); got != `$iothub/twin/PATCH/properties/desired/?$version=2 {"$version":2,"floor":3}` {
			t.Errorf("the device received %s", got)
		}
	})
	t.Run("a retained message at QoS 1 is acknowledged", func(t *testing.T) {
		harness.Run(t, m.command(t, "mosquitto_pub", "-q", "1", "-r", "-t", "devices/m1/messages/events/event=locked", "-m", "x")).Want(t, 0)
	})
	t.Run("a certificate of a trusted CA is accepted", func(t *testing.T) {
		certFile, keyFile := vouchedCertificate(t, h)
		if _, err := h.Client(t).CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "vouched",
			Authentication: &iothub.Authentication{Type: "certificateAuthority"}}); err != nil {
			t.Fatal(err)
		}
		vouched := mosquitto{h, "vouched", []string{"--cert", certFile, "--key", keyFile}}
		harness.Run(t, vouched.command(t, "mosquitto_pub", "-q", "1", "-t", "devices/vouched/messages/events/", "-m", "x")).Want(t, 0)
		vouched.id = "m1"
		harness.Run(t, vouched.command(t, "mosquitto_pub", "-q", "1", "-t", "devices/m1/messages/events/", "-m", "x")).Want(t, 5)
	})
	t.Run("the password of another device is refused", func(t *testing.T) {
		other := mosquitto{h, "m1", password(h.CreateDevice(t, "m2"))}
		result := harness.Run(t, other.command(t, "mosquitto_pub", "-q", "1", "-t", "devices/m1/messages/events/", "-m", "x")).Want(t, 5)
		if !strings.Contains(result.Stderr, "not authorised") {
			t.Errorf("the client printed %s, want not authorised", result.Stderr)
		}
	})
}
