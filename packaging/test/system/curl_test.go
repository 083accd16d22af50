package system

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// The example script locks a door with curl and jq. It fails if the door refuses, although
// the hub's own answer is a success.
func TestLockWithCurl(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing: install it", tool)
			}
			t.Skipf("%s is missing: install it to run this test", tool)
		}
	}

	h := harness.StartHub(t, bin)
	harness.StartDoor(t, h, "front", "")
	harness.StartDoor(t, h, "cellar", "jam")

	if r := lockWithCurl(t, h, "front").Want(t, 0); !strings.Contains(r.Stdout, `"status":200`) {
		t.Errorf("the script prints:\n%s", r.Stdout)
	}
	awaitDoor(t, h, "front", "locked", func(s doorState) bool { return s.Lock.Position == "locked" })
	if r := lockWithCurl(t, h, "cellar").Want(t, 1); !strings.Contains(r.Stdout, `"code":"jammed"`) {
		t.Errorf("the script prints:\n%s", r.Stdout)
	}
	if r := lockWithCurl(t, h, "no door"); r.Code == 0 || !strings.Contains(r.Stderr, "404") {
		t.Errorf("exit code %d, %s", r.Code, r.Stderr)
	}
}

// lockWithCurl runs the example script. Like a user, it finds latchctl in the path, and
// latchctl finds the hub in the environment.
func lockWithCurl(t *testing.T, h *harness.Hub, door string) harness.Result {
	t.Helper()
	cmd := exec.Command("../../doc/lock.sh", h.Endpoint(), door, h.CA())
	cmd.Env = append(bin.Ctl().Env, "PATH="+filepath.Dir(bin.Path("latchctl"))+":"+os.Getenv("PATH"),
		"LATCHCTL_HUB_FILE="+h.ServiceFile(), "LATCHCTL_ENDPOINT="+h.Endpoint(), "LATCHCTL_CA_FILE="+h.CA())
	return harness.Run(t, cmd)
}
