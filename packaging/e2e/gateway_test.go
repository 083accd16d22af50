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

// gateway is a virtual machine with the packages latchd, latchhub and latchctl. The
// machine has one door, whose device id is front. The door's hub runs on the same
// machine.
type gateway struct {
	*vm
	chip  string   // name of the simulated GPIO chip
	clean []string // the machine's files and users before the packages were installed
}

// technician is a shell script that sets latchctl's environment. latchctl then uses the
// hub on the same machine.
const technician = `
export LATCHCTL_HUB_FILE=/var/lib/latchhub/service.connection-string LATCHCTL_CA_FILE=/var/lib/latchhub/ca.pem
export LATCHCTL_ENDPOINT=https://localhost:8443
`

// newGateway starts a virtual machine, installs the packages and starts the hub.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{vm: newVM(t)}
	g.plug(true)
	g.clean = g.inventory()

	for _, name := range []string{"latchd", "latchctl", "latchhub"} {
		g.put(g.deb("debs", name), "/root/"+name+".deb", "644")
	}
	g.put(g.deb("newer", "latchd"), "/root/newer.deb", "644")

	g.run(`apt-get install -y -qq /root/latchd.deb /root/latchctl.deb /root/latchhub.deb`)
	g.run(`systemctl enable -q --now latchhub`)
	g.run(technician + `latchctl device create front`)
	g.writeIdentity()
	return g
}

// writeIdentity writes the files with the agent's connection string and CA certificate.
func (g *gateway) writeIdentity() {
	g.t.Helper()
	g.run(technician + `umask 077
		latchctl device connection-string front >/etc/latchd/credentials/connection-string
		install -m 644 /var/lib/latchhub/ca.pem /etc/latchd/ca.pem`)
}

// deb returns the path of the package called name in the directory dir below E2E_WORK.
func (g *gateway) deb(dir, name string) string {
	g.t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv("E2E_WORK"), dir, name+"_*.deb"))
	if err != nil || len(found) != 1 {
		g.t.Fatalf("want one package %s in %s, found %q, %v", name, dir, found, err)
	}
	return found[0]
}

// plug plugs the simulated GPIO chip in or unplugs it. It calls the functions in wired
// before the agent can request a line. These functions can set up the bolt and the
// sensors.
func (g *gateway) plug(in bool, wired ...func()) {
	g.t.Helper()

	if in {
		g.run(`modprobe gpio-sim
			mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
			mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
			mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug`)
	}

	g.ask("/chip", map[string]bool{"In": in}, &g.chip)
	for _, do := range wired {
		do()
	}
	if in {
		g.run(`udevadm settle`)
	}
}

// pull sets the pull of a line to simulate a contact that opens or closes.
func (g *gateway) pull(line string, up bool) {
	g.t.Helper()
	g.ask("/pull", map[string]any{"Line": line, "Up": up}, nil)
}

// level returns the physical level of a GPIO line, 0 or 1.
func (g *gateway) level(line string) int {
	g.t.Helper()
	var level int
	g.ask("/level", line, &level)
	return level
}

// bolt simulates a bolt that follows the GPIO line LOCK. The bolt locks while the line
// is at lockedLevel.
func (g *gateway) bolt(lockedLevel int, travel time.Duration, jammed bool) {
	g.t.Helper()
	g.ask("/door", map[string]any{"LockedLevel": lockedLevel, "Travel": travel, "Jammed": jammed}, nil)
}

// settings holds the parts of the agent's configuration in which tests differ.
type settings struct {
	top    string // keys at the top, before the first table
	mode   string
	keys   string // more keys for the table [lock]
	gpio   string // more keys for the table [lock.gpio]
	chip   string // name of the GPIO chip; empty means "door", the simulated chip
	line   string // GPIO line of the lock; empty means the line named LOCK
	sensor bool   // whether the lock has a bolt sensor and a door sensor
	tables string // more tables
}

// configure writes the agent's configuration file.
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
	g.write(strings.NewReader(text+s.tables), "/etc/latchd/latchd.toml", "644")
}

// lockInHoldMode configures a lock in hold mode and locks it. The line has the level
// locked while the lock is locked. The line's pull is the opposite level.
func (g *gateway) lockInHoldMode(locked int, sensor bool) {
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
		g.t.Fatalf("at power-on the line is at the locked level %d", got)
	}
	g.job("lock", 0)
	if got := g.level("LOCK"); got != locked {
		g.t.Fatalf("after lock the line is at %d, want %d", got, locked)
	}
}

// startLocked configures a lock in hold mode and starts it locked, with its door closed
// and nobody at the exit button. The settings need no mode and no at_power_on. The lock's
// line is high while the lock is locked.
func (g *gateway) startLocked(s settings) {
	g.t.Helper()
	for _, line := range []string{"LOCK", "DOOR", "EXIT"} {
		g.pull(line, false)
	}
	s.mode, s.gpio = "hold", `active = "locked"`
	s.keys = "at_power_on = \"locked\"\nmin_interval = \"0s\"\n" + s.keys
	g.configure(s)

	g.run(`systemctl stop latchd; rm -rf /var/lib/latchd/state.json`)
	g.bolt(1, 100*time.Millisecond, false)
	g.start()
	g.twin("a locked door", reportedLock("position", "locked"))
}

// start starts the agent and waits until the hub can call its methods.
func (g *gateway) start() {
	g.t.Helper()
	g.run(`systemctl start latchd`)
	g.connected()
}

// connected waits until the agent answers a method.
func (g *gateway) connected() {
	g.t.Helper()
	g.run(technician + `latchctl method invoke front ping --connect-timeout 60s --timeout 60s`)
}

// job runs "latchctl lock" or "latchctl unlock". It checks latchctl's exit status and
// returns the output.
func (g *gateway) job(verb string, status int) string {
	g.t.Helper()
	r, err := g.try(technician + "latchctl " + verb + " front --yes")
	if err != nil {
		g.t.Fatal(err)
	}
	if r.Status != status {
		g.t.Fatalf("latchctl %s exited with %d, want %d:\n%s", verb, r.Status, status, r.Output)
	}
	return r.Output
}

// invoke calls a method of the agent and returns latchctl's output as one line.
func (g *gateway) invoke(method, payload string) string {
	g.t.Helper()
	r, err := g.try(technician + fmt.Sprintf("latchctl method invoke front %s --payload '%s' --timeout 30s 2>&1", method, payload))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(r.Output), " "), `": `, `":`)
}

// twin waits until want returns true for the reported properties of the agent's twin.
// It returns these properties. The text what names the expected properties in the error
// message.
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
			g.t.Fatalf("the twin does not show %s: %v", what, twin.Properties.Reported)
		}
	}
}

// reportedLock returns a condition for reported properties: in the object "lock", the
// given key must have the value want.
// A missing key has the value nil.
func reportedLock(key string, want any) func(map[string]any) bool {
	return reportedKey("lock", key, want)
}

// reportedDoor returns the condition that a key of the reported door has the value want.
func reportedDoor(key string, want any) func(map[string]any) bool {
	return reportedKey("door", key, want)
}

func reportedKey(section, key string, want any) func(map[string]any) bool {
	return func(reported map[string]any) bool {
		values, _ := reported[section].(map[string]any)
		return values[key] == want
	}
}

// restarted waits until the agent runs in a new process that is ready. pid is the id of
// the old process. The script first reads the unit's control group, because systemctl
// is slow under emulation.
func (g *gateway) restarted(pid string) {
	g.t.Helper()
	g.run("pid=" + pid + `; i=0
		until read -r now 2>/dev/null </sys/fs/cgroup/system.slice/latchd.service/cgroup.procs && [ "$now" != $pid ] && systemctl is-active -q latchd; do
			i=$((i + 1))
			if [ $i -ge 600 ]; then
				systemctl status --no-pager -n 20 latchd || true; systemctl list-jobs --no-pager
				exit 1
			fi
			sleep 0.1
		done`)
}

// pid returns the process id of the agent.
func (g *gateway) pid() string { return g.run(`systemctl show -p MainPID --value latchd`) }

// uptime returns the time since the virtual machine booted.
func (g *gateway) uptime() time.Duration {
	g.t.Helper()
	seconds, err := strconv.ParseFloat(strings.Fields(g.run(`cat /proc/uptime`))[0], 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

// observed holds the events of a GPIO line. End is the time on the monotonic clock at
// which the observation ended.
type observed struct {
	Events []trace.Event
	End    time.Duration
}

// observe records the events of a GPIO line while the function do runs.
func (g *gateway) observe(chip string, offset int, do func()) observed {
	g.t.Helper()
	g.ask("/watch", map[string]any{"Chip": chip, "Offset": offset}, nil)
	do()
	var o observed
	g.ask("/watched", struct{}{}, &o)
	return o
}
