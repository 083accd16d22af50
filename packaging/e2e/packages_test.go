//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// packages removes and purges the packages. Then it installs latchd again from a signed
// repository and upgrades it while the door is locked and the hub is busy. Finally it
// purges all packages and shows that nothing is left. It must be the last scenario.
func packages(t *testing.T, g *gateway) {
	g.lockInHoldMode(1, false) // make a configuration and a state to purge
	out := g.run(`dpkg -r latchd >/dev/null
		systemctl is-active latchd || true
		ls /etc/latchd/latchd.toml /etc/latchd/credentials/connection-string /var/lib/latchd/state.json`)
	record(t, contains(out, "inactive", "latchd.toml", "connection-string", "state.json"), "packages: remove", 1,
		firstLine(out)+", configuration stays", "inactive, configuration stays")

	g.run(`dpkg -P latchd; ! id latchd 2>/dev/null; ! ls -d /etc/latchd /var/lib/latchd 2>/dev/null`)
	repository(t, g)
	g.run(`rm /etc/apt/keyrings/latchd.asc /etc/apt/sources.list.d/latchd.sources
		dpkg -P latchd latchctl latchhub`)

	now := g.inventory()
	if lost := difference(g.clean, now); len(g.clean) < 1000 || len(lost) > 10 {
		t.Errorf("the inventories before (%d names) and after (%d names) are not comparable; missing after: %q", len(g.clean), len(now), lost)
	}
	left := difference(now, g.clean)
	record(t, len(left) == 0, "packages: left after a purge of all", 1, cmp.Or(strings.Join(left, " "), "nothing"), "nothing")
}

// withLoad calls a method of the agent repeatedly while the function do runs, even
// while the agent is down. Each call must succeed.
func withLoad(g *gateway, do func()) {
	g.t.Helper()
	g.write(strings.NewReader("#!/bin/sh"+technician+`
		while :; do latchctl method invoke front getStatus --connect-timeout 60s --timeout 60s >/dev/null; sleep 1; done`), "/run/busy", "755")
	g.run(`systemd-run -q --unit=busy /run/busy`)
	do()
	g.connected()
	if out := g.run(`systemctl stop busy; journalctl -q -u busy -o cat | grep latchctl: | grep -v interrupted || true`); out != "" {
		g.t.Errorf("method calls failed: %s", out)
	}
}

// restartTimes returns two times of the agent's last restart. Both start when the agent
// stopped. ready ends when the agent controlled the lock again, connected when it had
// connected to the hub.
func restartTimes(t *testing.T, g *gateway) (ready, connected time.Duration) {
	t.Helper()
	out := strings.Fields(g.run(`systemctl show latchd -p ActiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic --value
		journalctl -q -u latchd -g '^connected to the hub' -n 1 -o json --output-fields=MESSAGE |
			sed 's/.*"__MONOTONIC_TIMESTAMP" *: *"\([0-9]*\)".*/\1/'`))
	if len(out) != 3 {
		t.Fatalf("cannot read the times of the restart in %q", out)
	}

	var at [3]time.Duration
	for i, text := range out {
		us, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("cannot read the times of the restart in %q", out)
		}
		at[i] = time.Duration(us) * time.Microsecond
	}

	// systemctl prints the two times in any order. The agent's exit comes before its
	// start.
	exit, enter := min(at[0], at[1]), max(at[0], at[1])
	return enter - exit, at[2] - exit
}

// inventory lists the machine's files, users, groups and latchd packages. It omits
// files that no package owns: the records of dpkg and apt, caches, logs, the test's own
// files, and the state of systemd and passwd. It also omits the group gpio, which stays
// because it may have other members.
func (g *gateway) inventory() []string {
	g.t.Helper()
	return strings.Split(g.run(`find /etc /usr /var /opt /srv -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
			-o -path /var/backups -o -path /var/lib/private -o -path /var/lib/systemd -o -path '/etc/*-' -o -path /etc/.pwd.lock -o -path '/var/tmp/*' \) -prune -o -print
		find /var/lib/private /var/lib/systemd /var/lib/dpkg /var/cache/private /var/log/private /run/systemd /run/latch* -name '*latch*' 2>/dev/null || true
		getent passwd | sed 's/:.*//; s/^/user /'
		getent group | sed 's/:.*//; s/^/group /' | grep -vx 'group gpio'
		dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' 'latch*' 2>/dev/null | grep -v ' un' || true`), "\n")
}

// difference returns the names that are in a but not in b.
func difference(a, b []string) []string {
	known := map[string]bool{}
	for _, name := range b {
		known[name] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return known[name] })
}

// repository installs latchd's previous version over the network from a signed
// repository, without a configuration. Then it configures latchd, locks the door and
// upgrades latchd to the current version.
func repository(t *testing.T, g *gateway) {
	repo := filepath.Join(os.Getenv("E2E_WORK"), "repo")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(repo)), ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	defer server.Close()

	_, port, _ := net.SplitHostPort(listener.Addr().String())
	g.put(g.deb("previous", "latchd"), "/root/previous.deb", "644") // the scenario needs only the version of the previous package
	g.put(filepath.Join(repo, "latchd.asc"), "/etc/apt/keyrings/latchd.asc", "644")
	g.write(strings.NewReader("Types: deb\nURIs: http://10.0.2.2:"+port+"\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/latchd.asc\n"),
		"/etc/apt/sources.list.d/latchd.sources", "644")

	// Disable the machine's other package sources, because the machine cannot reach
	// them.
	out := g.run(`apt-get update -qq -o Dir::Etc::SourceList=/dev/null
		apt-get install -y -qq latchd="$(dpkg-deb -f /root/previous.deb Version)"
		systemctl show latchd -p ActiveState -p ConditionResult -p UnitFileState
		stat -c '%a %U' /etc/latchd/credentials`)
	skipped := contains(out, "latchd config --example", "latchd enroll", "ActiveState=inactive", "ConditionResult=no", "UnitFileState=enabled", "700 root")
	const expected = "unit skipped, next step shown"
	seen := expected
	if !skipped {
		seen = "something else"
		t.Log(out)
	}
	record(t, skipped, "packages: install without a configuration", 1, seen, expected)

	g.writeIdentity()
	g.lockInHoldMode(1, true)
	var o observed
	withLoad(g, func() {
		o = g.observe(g.chip, 0, func() {
			pid := g.pid()
			g.run(`apt-get upgrade -y -qq`)
			g.restarted(pid)
		})
	})

	want, got := g.run(`dpkg-deb -f /root/latchd.deb Version`), g.run(`dpkg-query -W -f '${Version}' latchd`)
	record(t, got == want, "packages: version after the upgrade", 1, got, want)
	n := trace.Edges(1, o.Events)
	record(t, n == 0, "packages: upgrade from the previous version, under load", 1, fmt.Sprintf("%d edges", n), "0 edges")
	if n > 0 {
		t.Logf("%+v", o.Events)
	}

	ready, connected := restartTimes(t, g)
	record(t, ready <= maxRestart, "packages: restart of the agent during the upgrade", 1,
		fmt.Sprintf("%.1f s, connected after %.1f s", ready.Seconds(), connected.Seconds()), fmt.Sprintf("%.0f s, emulated", maxRestart.Seconds()))
}

// maxRestart limits how long the door is without its agent during an upgrade. A real
// gateway needs 2 s. An emulated machine is about ten times slower and shares its host.
// The limit still proves that the package does not stop the agent before it unpacks the
// new files.
const maxRestart = 15 * time.Second
