//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// gateway is a machine with latchd and latchhub from their packages, one door, and
// a technician.
type gateway struct {
	*vm
	chip  string
	clean []string // what is on the machine before any package is installed
}

// technician is what latchctl needs to reach the hub of the machine.
const technician = `
export LATCHCTL_HUB_FILE=/var/lib/latchhub/service.connection-string LATCHCTL_CA_FILE=/var/lib/latchhub/ca.pem
export LATCHCTL_ENDPOINT=https://localhost:8443
`

// newGateway installs the packages and starts the hub.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{vm: newVM(t)}
	g.plug(true)
	g.clean = g.everything()
	for _, name := range []string{"latchd", "latchctl", "latchhub"} {
		g.put(g.deb("debs", name), "/root/"+name+".deb", "644")
	}
	g.put(g.deb("newer", "latchd"), "/root/newer.deb", "644")
	g.run(`apt-get install -y -qq /root/latchd.deb /root/latchctl.deb /root/latchhub.deb`)
	g.run(`systemctl enable -q --now latchhub`)
	g.run(technician + `latchctl device create front`)
	g.identity()
	return g
}

// identity gives the agent what it logs in with.
func (g *gateway) identity() {
	g.t.Helper()
	g.run(technician + `umask 077
		latchctl device connection-string front >/etc/latchd/credentials/connection-string
		install -m 644 /var/lib/latchhub/ca.pem /etc/latchd/ca.pem`)
}

// deb returns the package of that name in a folder of the work directory.
func (g *gateway) deb(folder, name string) string {
	g.t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv("E2E_WORK"), folder, name+"_*.deb"))
	if err != nil || len(found) != 1 {
		g.t.Fatalf("packages of %s in %s: %q, %v", name, folder, found, err)
	}
	return found[0]
}

// plug plugs the simulated chip in or out. What moves on it from the first moment is
// set moving by wired, before the agent can have it.
func (g *gateway) plug(in bool, wired ...func()) {
	g.t.Helper()
	if in {
		g.run(`modprobe gpio-sim
			mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
			mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
			mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug`)
	}
	g.hands("/chip", map[string]bool{"In": in}, &g.chip)
	for _, do := range wired {
		do()
	}
	if in {
		g.run(`udevadm settle`)
	}
}

func (g *gateway) pull(line string, up bool) {
	g.t.Helper()
	g.hands("/pull", map[string]any{"Line": line, "Up": up}, nil)
}

func (g *gateway) level(line string) int {
	g.t.Helper()
	var level int
	g.hands("/level", line, &level)
	return level
}

// bolt lets the bolt follow the line: it is locked while the line is at lockedLevel.
func (g *gateway) bolt(lockedLevel int, travel time.Duration, jammed bool) {
	g.t.Helper()
	g.hands("/door", map[string]any{"LockedLevel": lockedLevel, "Travel": travel, "Jammed": jammed}, nil)
}

// settings are what a test chooses of the agent's configuration.
type settings struct {
	top    string // keys before the tables
	mode   string
	keys   string // more keys of [lock]
	gpio   string // more keys of [lock.gpio]
	chip   string // "door" if it is empty
	line   string // "LOCK" in quotes if it is empty
	sensor bool
}

// configure writes the configuration. It is the one place that knows its keys.
func (g *gateway) configure(s settings) {
	g.t.Helper()
	if s.chip == "" {
		s.chip, s.line = "door", `"LOCK"`
	}
	text := fmt.Sprintf(`%s
[hub]
connection_string_file = "/etc/latchd/credentials/connection-string"
ca_file = "/etc/latchd/ca.pem"
[lock]
driver = "gpio"
mode = "%s"
%s
[lock.gpio]
chip = "%s"
line = %s
%s
`, s.top, s.mode, s.keys, s.chip, s.line, s.gpio)
	if s.sensor {
		text += `
[lock.bolt_sensor]
line = "BOLT"
active = "locked"
[lock.door_sensor]
line = "DOOR"
active = "open"
`
	}
	g.write(strings.NewReader(text), "/etc/latchd/latchd.toml", "644")
}

// heldLocked configures a lock that is held, whose locked level is against its pull, and
// locks it.
func (g *gateway) heldLocked(locked int, sensor bool) {
	g.t.Helper()
	g.pull("LOCK", locked == 0)
	g.configure(settings{
		mode: "hold", keys: "at_power_on = \"unlocked\"\nmin_interval = \"0s\"", sensor: sensor,
		gpio: fmt.Sprintf("active = \"locked\"\nactive_low = %v", locked == 0),
	})
	g.run(`systemctl stop latchd; rm -rf /var/lib/latchd/state.json`)
	g.bolt(locked, 100*time.Millisecond, false)
	g.start()
	if got := g.level("LOCK"); got == locked {
		g.t.Fatalf("at power-on the line is at %d", got)
	}
	g.job("lock", 0)
	if got := g.level("LOCK"); got != locked {
		g.t.Fatalf("locked, the line is at %d, want %d", got, locked)
	}
}

// start starts the agent, and waits until it is connected.
func (g *gateway) start() {
	g.t.Helper()
	g.run(`systemctl start latchd`)
	g.connected()
}

// connected waits until the agent answers.
func (g *gateway) connected() {
	g.t.Helper()
	g.run(technician + `latchctl method invoke front ping --connect-timeout 60s --timeout 60s`)
}

// job runs latchctl lock or unlock, which ends with status.
func (g *gateway) job(verb string, status int) string {
	g.t.Helper()
	r, err := g.try(technician + "latchctl " + verb + " front --yes")
	if err != nil {
		g.t.Fatal(err)
	}
	if r.Status != status {
		g.t.Fatalf("latchctl %s ends with %d, want %d:\n%s", verb, r.Status, status, r.Output)
	}
	return r.Output
}

// invoke calls a method and returns latchctl's output, with its JSON on one line.
func (g *gateway) invoke(method, payload string) string {
	g.t.Helper()
	r, err := g.try(technician + fmt.Sprintf("latchctl method invoke front %s --payload '%s' --timeout 30s 2>&1", method, payload))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(r.Output), " "), `": `, `":`)
}

// twin waits until the reported properties are as wanted, and returns them.
func (g *gateway) twin(what string, want func(reported map[string]any) bool) map[string]any {
	g.t.Helper()
	var twin struct {
		Properties struct{ Reported map[string]any }
	}
	for deadline := time.Now().Add(time.Minute); ; {
		out := g.run(technician + `latchctl twin show front -o json`)
		if err := json.Unmarshal([]byte(out), &twin); err != nil {
			g.t.Fatalf("%v in %s", err, out)
		}
		if want(twin.Properties.Reported) {
			return twin.Properties.Reported
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the twin never shows %s: %v", what, twin.Properties.Reported)
		}
	}
}

// reportedLock is a condition on the reported lock.
func reportedLock(key string, want any) func(map[string]any) bool {
	return func(reported map[string]any) bool {
		lock, _ := reported["lock"].(map[string]any)
		return lock[key] == want
	}
}

// restarted waits until another process than pid is the agent and is ready. It reads
// the unit's control group, as every systemctl is a lot of work for an emulated
// processor.
func (g *gateway) restarted(pid string) {
	g.t.Helper()
	g.run("pid=" + pid + `; i=0
		until read -r now 2>/dev/null </sys/fs/cgroup/system.slice/latchd.service/cgroup.procs && [ "$now" != $pid ] && systemctl is-active -q latchd; do
			i=$((i + 1)); [ $i -lt 1200 ]; sleep 0.1
		done`)
}

func (g *gateway) pid() string { return g.run(`systemctl show -p MainPID --value latchd`) }

// uptime is the guest's time since boot.
func (g *gateway) uptime() time.Duration {
	g.t.Helper()
	seconds, err := strconv.ParseFloat(strings.Fields(g.run(`cat /proc/uptime`))[0], 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

// observed is what happened to a line while something was done.
type observed struct {
	Events []trace.Event
	End    time.Duration
}

// observe watches a line while do is done.
func (g *gateway) observe(chip string, offset int, do func()) observed {
	g.t.Helper()
	g.hands("/watch", map[string]any{"Chip": chip, "Offset": offset}, nil)
	do()
	var o observed
	g.hands("/watched", struct{}{}, &o)
	return o
}
