//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// hold shows that a line that is held has no edge whatever happens to its
// process, in both polarities, each with the held level against the pull.
func hold(t *testing.T, g *gateway) {
	for _, locked := range []int{1, 0} {
		g.heldLocked(locked, true)
		edges := func(scenario string, trials int, do func()) {
			t.Helper()
			o := g.observe(g.chip, 0, func() {
				for range trials {
					do()
				}
			})
			n := trace.Edges(locked, o.Events)
			record(t, n == 0, fmt.Sprintf("hold at %d: %s", locked, scenario), trials, fmt.Sprintf("%d edges", n), "0 edges")
			if n > 0 {
				t.Logf("%+v", o.Events)
			}
		}
		ended := func(how string) func() {
			return func() {
				pid := g.pid()
				g.run(how)
				g.restarted(pid)
			}
		}
		edges("restart", 10, ended(`systemctl restart latchd`))
		edges("reload", 3, func() { g.run(`systemctl reload latchd`) })
		edges("SIGKILL", 2, ended(`systemctl kill --kill-whom=main -s KILL latchd`))
		// The rest without the unit's delay before a restart, to save its time.
		edges("daemon-reload", 1, func() { g.dropIn("RestartSec=100ms") })
		edges("SIGKILL, restarted soon", 8, ended(`systemctl kill --kill-whom=main -s KILL latchd`))
		edges("SIGSTOP until the watchdog acts", 1, ended(`systemctl kill --kill-whom=main -s STOP latchd`))
		edges("upgrade to a newer package", 1, ended(`apt-get install -y -qq /root/newer.deb`))
		edges("main loop blocked until the watchdog acts", 1, ended(`systemctl kill --kill-whom=main -s USR1 latchd`))
		edges("downgrade", 1, ended(`apt-get install -y -qq --allow-downgrades /root/latchd.deb`))
		g.dropIn("")
		g.connected()
		g.job("unlock", 0) // it is alive after all that
		if got := g.level("LOCK"); got == locked {
			t.Errorf("unlocked, the line is at %d", got)
		}
	}
	control(t, g)
}

// dropIn changes the agent's unit; nothing takes the change back.
func (g *gateway) dropIn(line string) {
	g.t.Helper()
	if line == "" {
		g.run(`rm -r /etc/systemd/system/latchd.service.d && systemctl daemon-reload`)
		return
	}
	g.run(`mkdir -p /etc/systemd/system/latchd.service.d
		printf '[Service]\n` + line + `\n' >/etc/systemd/system/latchd.service.d/test.conf
		systemctl daemon-reload`)
}

// control shows that the evidence sees an edge where there is one: without
// systemd's store the line falls with its process.
func control(t *testing.T, g *gateway) {
	t.Helper()
	g.dropIn("FileDescriptorStoreMax=0")
	g.heldLocked(1, true)
	o := g.observe(g.chip, 0, func() {
		pid := g.pid()
		g.run(`systemctl kill --kill-whom=main -s KILL latchd`)
		g.restarted(pid)
	})
	n := trace.Edges(1, o.Events)
	record(t, n > 0, "control: SIGKILL without the store", 1, fmt.Sprintf("%d edges", n), "1 or more")
	g.dropIn("")
}
