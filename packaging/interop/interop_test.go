package interop

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// needSDK skips the test if the official SDKs are not installed.
func needSDK(t *testing.T) {
	t.Helper()
	_, err := os.Stat("node_modules/azure-iothub")
	if _, nodeErr := exec.LookPath("node"); nodeErr != nil {
		err = nodeErr
	}
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("the official Node SDKs are not installed, and CI must not skip tests; run 'npm ci' in packaging/interop: %v", err)
	case errors.Is(err, fs.ErrNotExist):
		t.Skipf("SKIPPED: the official Node SDKs are not installed; run 'npm ci' in packaging/interop: %v", err)
	default:
		t.Skipf("SKIPPED: Node is not installed: %v", err)
	}
}

// node returns the command that runs a Node program of this folder. Node must resolve
// localhost to an IPv4 address first, because the hub does not listen on IPv6.
func node(script string, args, env []string) *exec.Cmd {
	cmd := exec.Command("node", append([]string{"--dns-result-order=ipv4first", script}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// startDevice registers a device and runs it with the official device SDK. The SDK
// accepts a port only in GatewayHostName. startDevice therefore gives the hub's address
// as the gateway's.
func startDevice(t *testing.T, h *harness.Hub, id string) *harness.Process {
	t.Helper()
	needSDK(t)
	device := h.CreateDevice(t, id)
	_, port, err := net.SplitHostPort(h.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	device.Gateway = net.JoinHostPort("localhost", port)
	p := harness.Start(t, "official device "+id, node("device.js", nil,
		[]string{"DEVICE_CONNECTION_STRING=" + device.ConnectionString(), "CA_FILE=" + h.CA()}))
	p.Expect(t, "ready")
	return p
}

// serviceResult is the output of service.js.
type serviceResult struct {
	Method, Twin         iothub.Job
	MethodRows, TwinRows []iothub.DeviceJob
	Before, After        map[string]struct {
		Tags       iothub.Object
		Properties iothub.TwinProperties
	}
}

// runService runs the two jobs of Microsoft's tutorial on jobs with the official
// service SDK.
func runService(t *testing.T, h *harness.Hub, devices ...string) serviceResult {
	t.Helper()
	needSDK(t)
	_, port, err := net.SplitHostPort(h.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	var result serviceResult
	harness.Run(t, node("service.js", devices,
		[]string{"HUB_CONNECTION_STRING=" + h.Service(t), "NODE_EXTRA_CA_CERTS=" + h.CA(), "HUB_HTTPS_PORT=" + port})).
		Want(t, 0).JSON(t, &result)
	return result
}

// expectJSON waits until the official device prints a line "WORD {...}" with a suitable
// JSON object. An object is suitable if match returns true for it. expectJSON returns
// the object.
func expectJSON(t *testing.T, p *harness.Process, word string, match func(iothub.Object) bool) iothub.Object {
	t.Helper()
	var found iothub.Object
	p.ExpectFunc(t, "a matching line "+word, func(line string) (string, bool) {
		text, ok := strings.CutPrefix(line, word+" ")
		if !ok {
			return "", false
		}
		o, err := iothub.ParseObject([]byte(text))
		found = o
		return line, err == nil && match(o)
	})
	return found
}
