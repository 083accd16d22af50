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

// packages shows the life of a package: removed, purged, installed again from a signed
// repository, and upgraded from there while the door is held and the hub busy. It leaves
// nothing for others to test, and shows that.
func packages(t *testing.T, g *gateway) {
	g.heldLocked(1, false) // there is something to leave behind
	out := g.run(`dpkg -r latchd >/dev/null
		systemctl is-active latchd || true
		ls /etc/latchd/latchd.toml /etc/latchd/credentials/connection-string /var/lib/latchd/state.json`)
	record(t, contains(out, "inactive", "latchd.toml", "connection-string", "state.json"), "packages: remove", 1,
		firstLine(out)+", configuration stays", "inactive, configuration stays")
	g.run(`dpkg -P latchd; ! id latchd 2>/dev/null; ! ls -d /etc/latchd /var/lib/latchd 2>/dev/null`)
	repository(t, g)
	g.run(`rm /etc/apt/keyrings/latchd.asc /etc/apt/sources.list.d/latchd.sources
		dpkg -P latchd latchctl latchhub`)
	now := g.everything()
	if lost := difference(g.clean, now); len(g.clean) < 1000 || len(lost) > 10 {
		t.Errorf("the listings do not compare: %d and %d files, such as %q", len(g.clean), len(now), lost)
	}
	left := difference(now, g.clean)
	record(t, len(left) == 0, "packages: left after a purge of all", 1, cmp.Or(strings.Join(left, " "), "nothing"), "nothing")
}

// busy has a method on its way to the agent at any time while do is done, also while
// there is no agent.
func busy(g *gateway, do func()) {
	g.t.Helper()
	g.write(strings.NewReader("#!/bin/sh"+technician+`
		while :; do latchctl method invoke front getStatus --connect-timeout 60s --timeout 60s >/dev/null; sleep 1; done`), "/run/busy", "755")
	g.run(`systemd-run -q --unit=busy /run/busy`)
	do()
	g.connected()
	if out := g.run(`systemctl stop busy; journalctl -q -u busy -o cat | grep latchctl: | grep -v interrupted || true`); out != "" {
		g.t.Errorf("methods failed: %s", out)
	}
}

// back returns how long the last restart of the agent took, from the order to stop
// until it owned the lock again, and until it was connected.
func back(t *testing.T, g *gateway) (ready, connected time.Duration) {
	t.Helper()
	out := strings.Fields(g.run(`systemctl show latchd -p ActiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic --value
		journalctl -q -u latchd -g '^connected to the hub' -n 1 -o json --output-fields=MESSAGE |
			sed 's/.*"__MONOTONIC_TIMESTAMP" *: *"\([0-9]*\)".*/\1/'`))
	if len(out) != 3 {
		t.Fatalf("the times of the restart are %q", out)
	}
	var at [3]time.Duration
	for i, text := range out {
		us, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("the times of the restart are %q", out)
		}
		at[i] = time.Duration(us) * time.Microsecond
	}
	// systemctl prints properties in an order of its own; the end comes before the start.
	exit, enter := min(at[0], at[1]), max(at[0], at[1])
	return enter - exit, at[2] - exit
}

// everything lists the machine's files, users and groups, without what is none of a
// package's business: the records of dpkg and apt, caches and logs, the test's files, and
// what systemd and passwd keep for themselves. The group gpio may have other members.
func (g *gateway) everything() []string {
	g.t.Helper()
	return strings.Split(g.run(`find /etc /usr /var /opt /srv -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
			-o -path /var/lib/private -o -path /var/lib/systemd -o -path '/etc/*-' -o -path /etc/.pwd.lock -o -path '/var/tmp/*' \) -prune -o -print
		find /var/lib/private /var/lib/systemd /var/lib/dpkg /var/cache/private /var/log/private /run/systemd /run/latch* -name '*latch*' 2>/dev/null || true
		getent passwd | sed 's/:.*//; s/^/user /'
		getent group | sed 's/:.*//; s/^/group /' | grep -vx 'group gpio'
		dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' 'latch*' 2>/dev/null | grep -v ' un' || true`), "\n")
}

// difference returns what is in a and not in b.
func difference(a, b []string) []string {
	known := map[string]bool{}
	for _, name := range b {
		known[name] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return known[name] })
}

// repository installs from a signed repository, over the network: the version before, on a
// machine that has no configuration, which locks the door by a job, and then this one.
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
	g.put(g.deb("before", "latchd"), "/root/before.deb", "644") // for its version
	g.put(filepath.Join(repo, "latchd.asc"), "/etc/apt/keyrings/latchd.asc", "644")
	g.write(strings.NewReader("Types: deb\nURIs: http://10.0.2.2:"+port+"\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/latchd.asc\n"),
		"/etc/apt/sources.list.d/latchd.sources", "644")
	// The machine's other sources are not reached from here.
	out := g.run(`apt-get update -qq -o Dir::Etc::SourceList=/dev/null
		apt-get install -y -qq latchd="$(dpkg-deb -f /root/before.deb Version)"
		systemctl show latchd -p ActiveState -p ConditionResult -p UnitFileState
		stat -c '%a %U' /etc/latchd/credentials`)
	skipped := contains(out, "latchd check", "systemctl start latchd", "ActiveState=inactive", "ConditionResult=no", "UnitFileState=enabled", "700 root")
	seen := "unit skipped, next step said"
	if !skipped {
		seen = "not so"
		t.Log(out)
	}
	record(t, skipped, "packages: install without a configuration", 1, seen, "unit skipped, next step said")
	g.identity()
	g.heldLocked(1, true)
	var o observed
	busy(g, func() {
		o = g.observe(g.chip, 0, func() {
			pid := g.pid()
			g.run(`apt-get upgrade -y -qq`)
			g.restarted(pid)
		})
	})
	want, got := g.run(`dpkg-deb -f /root/latchd.deb Version`), g.run(`dpkg-query -W -f '${Version}' latchd`)
	record(t, got == want, "packages: version after the upgrade", 1, got, want)
	n := trace.Edges(1, o.Events)
	record(t, n == 0, "packages: upgrade from the version before, under load", 1, fmt.Sprintf("%d edges", n), "0 edges")
	if n > 0 {
		t.Logf("%+v", o.Events)
	}
	ready, connected := back(t, g)
	record(t, ready <= mostBack, "packages: after the upgrade the agent is back", 1,
		fmt.Sprintf("%.1f s, at its hub %.1f s", ready.Seconds(), connected.Seconds()), fmt.Sprintf("%.0f s, emulated", mostBack.Seconds()))
}

// mostBack is how long an upgrade may leave the door without its agent. On a gateway it is
// 2 s; software emulation is some ten times slower, and shares its processor with
// whatever else the machine does. To stop, unpack and start would take much longer.
const mostBack = 15 * time.Second
