//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// credentialsFolder is the directory of the secrets of the only door.
const credentialsFolder = "/etc/latchd/credentials"

// badFiles shows that nothing that concerns only the hub or the state directory keeps
// the agent from controlling the lock at a cold start, and that the agent uses corrected
// files without a restart.
func badFiles(t *testing.T, g *gateway) {
	const noCopy = "the agent got no copy of .*/connection-string"
	for _, fault := range []struct {
		name, breakIt string
		problem       string // regular expression for the agent's status and the journal
		check         string // and for the output of 'latchd check', which root runs
	}{
		{"connection string in UTF-16",
			`sed 's/./&\x00/g' /root/saved/connection-string >` + credentialsFolder + `/connection-string`, "UTF-16 text without a byte order mark", "UTF-16 text without a byte order mark"},
		{"no connection string", `rm ` + credentialsFolder + `/connection-string`, noCopy, "no such file"},
		{"no credentials folder", `rm -r ` + credentialsFolder, "no such file", "no such file"},
		{"a file instead of the credentials folder", `rm -r ` + credentialsFolder + `; echo x >` + credentialsFolder, "not a directory", "not a directory"},
		{"a pipe, a folder and a link in the credentials folder",
			`cd ` + credentialsFolder + `; rm connection-string; mkfifo connection-string; mkdir stray; ln -s /none link`, noCopy, "is not a file"},
		{"a syntax error in [hub]", `sed -i 's/^ca_file = /ca_file = no quotes /' /etc/latchd/latchd.toml`, "latchd.toml:", "latchd.toml:"},
	} {
		// The line's pull is the unlocked level, so only the agent can lock the door.
		g.lockInHoldMode(1, true)
		g.run(`systemctl stop latchd
			rm -rf /root/saved /root/saved.toml
			cp -a ` + credentialsFolder + ` /root/saved; cp -a /etc/latchd/latchd.toml /root/saved.toml
			sed -i 's/at_power_on = "unlocked"/at_power_on = "locked"/' /etc/latchd/latchd.toml
			` + fault.breakIt)
		before := g.level("LOCK")

		g.run(`systemctl start latchd`)
		locked := g.level("LOCK") == 1
		record(t, before == 0 && locked, "cold start: "+fault.name, 1, fmt.Sprintf("line at %d", g.level("LOCK")), "line at 1 (at_power_on)")

		problem := fmt.Sprintf(`i=0; until latchd status | grep -E '^Problem: .*(%s)'; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.2; done
			! latchd check >/run/check; grep -E '(%s)' /run/check; journalctl -q -u latchd -o cat --since -2min | grep -E '(%s)'
			latchd unlock --reason parcel`, fault.problem, fault.check, fault.problem)
		g.run(problem)
		record(t, g.level("LOCK") == 0, "latchd unlock without a hub: "+fault.name, 1, fmt.Sprintf("line at %d", g.level("LOCK")), "line at 0")

		// Nobody reloads the agent: latchd-credentials.path sees the change.
		pid := g.pid()
		g.run(`rm -rf ` + credentialsFolder + `; cp -a /root/saved ` + credentialsFolder + `
			cp -a /root/saved.toml /etc/latchd/latchd.toml; touch ` + credentialsFolder + `/connection-string`)
		start := time.Now()
		if r, err := g.try(technician + `latchctl method invoke front ping --connect-timeout 60s --timeout 60s`); err != nil || r.Status != 0 {
			t.Fatalf("corrected: %s: %v, %s\n%s", fault.name, err, r.Output, g.run(`journalctl -q -o short-monotonic -n 40`))
		}
		seen := fmt.Sprintf("connected after %d s, same process", int(time.Since(start).Seconds()))
		same := g.pid() == pid
		if !same {
			seen = "the agent was restarted"
		}
		record(t, same, "corrected: "+fault.name, 1, seen, "same process")
	}

	g.lockInHoldMode(1, true)
	g.run(`systemctl stop latchd; rm -rf /var/lib/latchd; echo x >/var/lib/latchd; systemctl start latchd; latchd lock; latchd status | grep 'state directory'`)
	record(t, g.level("LOCK") == 1, "a file instead of the state directory", 1, fmt.Sprintf("line at %d", g.level("LOCK")), "line at 1")
	g.run(`systemctl stop latchd; rm /var/lib/latchd; systemd-tmpfiles --create latchd.conf; systemctl start latchd; stat -c '%U %a' /var/lib/latchd | grep 'latchd 700'`)
}

// operators shows who may use the control socket.
func operators(t *testing.T, g *gateway) {
	g.lockInHoldMode(1, true)
	out := g.run(`useradd -m porter; useradd -m visitor; usermod -aG latchd-operators porter
		runuser -u porter -- latchd unlock --reason parcel
		runuser -u porter -- latchd lock
		runuser -u porter -- latchd unlock --override-lockdown 2>&1 || true
		runuser -u visitor -- latchd unlock 2>&1 || true
		journalctl -q -u latchd -o cat --since -1min -g 'method from the control socket' -o json --output-fields=BY | grep -c porter
		userdel -r porter 2>/dev/null; userdel -r visitor 2>/dev/null`)
	ok := contains(out, "unlocked, confirmed", "locked, confirmed", "only root may override lockdown", "permission denied")
	record(t, ok, "latchd lock and unlock by an operator", 1, firstLine(out), "unlocked, confirmed by the sensor")
	if !ok {
		t.Log(out)
	}
}

// twoDoors shows a gateway with two doors. An upgrade of the package restarts both agents
// and causes no edge on either line.
func twoDoors(t *testing.T, g *gateway) {
	const side = "UNLOCK" // the line of the second door
	g.lockInHoldMode(1, true)
	g.pull(side, false)
	g.run(technician + `latchctl device create side
		umask 077; mkdir -p ` + credentialsFolder + `/side
		latchctl device connection-string side >` + credentialsFolder + `/side/connection-string`)
	g.write(strings.NewReader(`[hub]
connection_string_file = "`+credentialsFolder+`/side/connection-string"
ca_file = "/etc/latchd/ca.pem"
[lock]
driver = "gpio"
mode = "hold"
at_power_on = "unlocked"
[lock.gpio]
chip = "door"
line = "`+side+`"
active = "locked"
`), "/etc/latchd/side.toml", "644")
	g.run(technician + `systemctl enable -q --now latchd@side
		latchctl method invoke side ping --connect-timeout 60s --timeout 60s
		latchd lock --door side; latchd status --door side; ls -d /var/lib/latchd/side/state.json /run/latchd@side/control.sock`)
	record(t, g.level(side) == 1, "two doors: the second is locked by its own agent", 1, fmt.Sprintf("line at %d", g.level(side)), "line at 1")

	sidePID := func() string { return g.run(`systemctl show -p MainPID --value latchd@side`) }
	for i, line := range []int{0, 3} {
		deb := []string{"/root/newer.deb", "--allow-downgrades /root/latchd.deb"}[i]
		front, other := g.pid(), sidePID()
		o := g.observe(g.chip, line, func() {
			g.run(`apt-get install -y -qq ` + deb)
			g.restarted(front)
		})
		g.run(technician + `latchctl method invoke side ping --connect-timeout 60s --timeout 60s`)
		n := trace.Edges(1, o.Events)
		restarted := g.pid() != front && sidePID() != other
		record(t, n == 0 && restarted, fmt.Sprintf("two doors: upgrade, line of door %d", i+1), 1,
			fmt.Sprintf("%d edges, both restarted: %v", n, restarted), "0 edges, both restarted: true")
	}

	g.run(technician + `systemctl disable -q --now latchd@side; rm -r /etc/latchd/side.toml ` + credentialsFolder + `/side /var/lib/latchd/side
		latchctl device delete side --yes`)
}
