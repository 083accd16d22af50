package interop

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// azExtensions is the variable that names a folder of az extensions. The folder must
// contain the extension azure-iot.
const azExtensions = "LATCHD_TEST_AZ_EXTENSIONS"

// azCLI runs az with the azure-iot extension against a hub.
type azCLI struct {
	hub   *harness.Hub
	login string // service connection string with the port of the hub's HTTPS address
	env   []string
}

// needAz returns az for the hub. It skips the test if the machine lacks az or the
// extension, even with CI set: the tests of the hub's API send the same requests.
func needAz(t *testing.T, h *harness.Hub) azCLI {
	t.Helper()
	if _, err := exec.LookPath("az"); err != nil {
		t.Skipf("SKIPPED: az is not installed (Debian's package azure-cli): %v", err)
	}
	extensions := os.Getenv(azExtensions)
	if extensions == "" {
		t.Skipf("SKIPPED: %s does not name the folder of the azure-iot extension", azExtensions)
	}

	_, port, err := net.SplitHostPort(h.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	return azCLI{
		hub:   h,
		login: strings.Replace(h.Service(t), "HostName=localhost;", "HostName=localhost:"+port+";", 1),
		env: append(os.Environ(), "AZURE_EXTENSION_DIR="+extensions, "AZURE_CONFIG_DIR="+t.TempDir(),
			"REQUESTS_CA_BUNDLE="+h.CA(), "PYTHONWARNINGS=ignore", "AZURE_CORE_COLLECT_TELEMETRY=no"),
	}
}

// run runs an az command. It returns the command's exit code, and what the command
// printed without spaces.
func (az azCLI) run(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command("az", append(args, "--login", az.login, "--output", "json", "--only-show-errors")...)
	cmd.Env = az.env
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.Join(strings.Fields(string(text)), "")
}

// TestAz locks a door of latchd and manages devices, jobs and enrollments with az.
func TestAz(t *testing.T) {
	h := harness.StartHub(t, bin)
	az := needAz(t, h)
	harness.StartDoor(t, h, "door-1", "")

	for _, test := range []struct {
		args string // words of the command; a no-break space stands for a space inside a word
		code int
		want []string // texts in the output, without spaces
	}{
		{"iot hub device-identity create -d az-1", 0, []string{`"deviceId":"az-1"`, `"status":"enabled"`}},
		{"iot hub device-identity create -d az-2 --edge-enabled", 1, []string{"doesnotsupportIoTEdgedevices"}},
		{"iot hub device-identity create -d az-3 --am x509_thumbprint --ptp 0123456789012345678901234567890123456789", 0, []string{`"type":"selfSigned"`}},
		{"iot hub device-identity list", 0, []string{`"deviceId":"az-1"`, `"deviceId":"door-1"`}},
		{"iot hub device-identity show -d az-1", 0, []string{`"deviceId":"az-1"`}},
		{"iot hub device-identity update -d az-1 --set status=disabled", 0, []string{`"status":"disabled"`}},
		{"iot hub device-identity renew-key -n localhost -d az-1 --kt primary", 0, []string{`"primaryKey":"`}},
		{"iot hub device-identity delete -d az-1", 0, nil},
		{"iot hub device-twin update -d door-1 --tags {\"floor\":3} --desired {\"building\":\"43\"}", 0, []string{`"floor":3`, `"building":"43"`}},
		{"iot hub device-twin show -d door-1", 0, []string{`"floor":3`}},
		{"iot hub query -q SELECT\u00a0deviceId\u00a0FROM\u00a0devices\u00a0WHERE\u00a0tags.floor=3", 0, []string{`[{"deviceId":"door-1"}]`}},
		{"iot hub invoke-device-method -d door-1 --mn lockDoor --mp {}", 0, []string{`"status":200`, `"position":"locked"`}},
		{"iot hub job create --job-id m1 --job-type scheduleDeviceMethod -q deviceId='door-1' --mn unlockDoor --mp {} --wait --poll-interval 1", 0, []string{`"status":"completed"`, `"succeededCount":1`}},
		{"iot hub job create --job-id t1 --job-type scheduleUpdateTwin -q deviceId='door-1' --twin-patch {\"tags\":{\"wing\":\"n\"}} --wait --poll-interval 1", 0, []string{`"status":"completed"`}},
		{"iot hub job create --job-id s1 --job-type scheduleUpdateTwin -q * --twin-patch {\"tags\":{\"wing\":\"s\"}} --start 2099-01-01T00:00:00Z", 0, []string{`"status":"scheduled"`}},
		{"iot hub job list", 0, []string{`"jobId":"m1"`, `"jobId":"t1"`, `"jobId":"s1"`}},
		{"iot hub job list --job-status scheduled", 0, []string{`"jobId":"s1"`}},
		{"iot hub job list --job-type export", 0, []string{"[]"}},
		{"iot hub job show --job-id m1", 0, []string{`"status":"completed"`}},
		{"iot hub job cancel --job-id s1", 0, []string{`"status":"cancelled"`}},
		{"iot dps enrollment create --eid one --at symmetrickey", 0, []string{`"registrationId":"one"`}},
		{"iot dps enrollment list", 0, []string{`"registrationId":"one"`}},
		{"iot dps enrollment show --eid one --show-keys", 0, []string{`"primaryKey":"`}},
		{"iot dps enrollment delete --eid one", 0, nil},
		{"iot dps enrollment-group create --eid site", 0, []string{`"enrollmentGroupId":"site"`}},
		{"iot dps enrollment-group list", 0, []string{`"enrollmentGroupId":"site"`}},
		{"iot dps enrollment-group show --eid site", 0, []string{`"enrollmentGroupId":"site"`}},
		{"iot dps enrollment-group delete --eid site", 0, nil},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := strings.Split(test.args, " ")
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "\u00a0", " ")
			}
			code, output := az.run(t, args...)
			if code != test.code {
				t.Errorf("exit %d, want %d: %s", code, test.code, output)
			}
			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("want %s in %s", want, output)
				}
			}
		})
	}
}
