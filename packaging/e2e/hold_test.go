//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// hold shows that the line of a lock in hold mode has no edge when the agent is
// restarted, upgraded or killed. The level for "locked" is always the opposite of the
// line's pull, so that a released line would show an edge. The second polarity changes only
// the flags of the line's request, so hold repeats only what requests the line. The
// environment variable E2E_TRIALS sets how often hold restarts and kills the agent.
func hold(t *testing.T, g *gateway) {
	trials, err := strconv.Atoi(os.Getenv("E2E_TRIALS"))
	if err != nil {
		t.Fatal(err)
	}

	for _, locked := range []int{1, 0} {
		first := locked == 1
		g.lockInHoldMode(locked, true)

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
		restarted := func(how string) func() {
			return func() {
				pid := g.pid()
				g.run(how)
				g.restarted(pid)
			}
		}

		edges("restart", trials, restarted(`systemctl restart latchd`))
		edges("reload", 3, func() { g.run(`systemctl reload latchd`) })
		edges("SIGKILL", 2, restarted(`systemctl kill --kill-whom=main -s KILL latchd`))

		// A short delay before systemd restarts the agent makes the test faster.
		edges("daemon-reload", 1, func() { g.dropIn("RestartSec=100ms") })
		edges("SIGKILL, short restart delay", trials, restarted(`systemctl kill --kill-whom=main -s KILL latchd`))
		edges("SIGSTOP until the watchdog acts", 1, restarted(`systemctl kill --kill-whom=main -s STOP latchd`))
		if first {
			edges("upgrade to a newer package", 1, restarted(`apt-get install -y -qq /root/newer.deb`))
			edges("main loop blocked until the watchdog acts", 1, restarted(`systemctl kill --kill-whom=main -s USR1 latchd`))
			edges("downgrade", 1, restarted(`apt-get install -y -qq --allow-downgrades /root/latchd.deb`))
		}
		g.dropIn("")

		// The new process must still control the lock.
		g.connected()
		g.job("unlock", 0)
		if got := g.level("LOCK"); got == locked {
			t.Errorf("after unlock the line is still at %d", got)
		}
	}
	control(t, g)
}

// dropIn adds a line to the systemd unit of the agent. An empty line removes all
// earlier additions.
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

// control shows that the test can detect an edge. It turns off systemd's file
// descriptor store. The line then falls to its pull when the agent is killed.
func control(t *testing.T, g *gateway) {
	t.Helper()
	g.dropIn("FileDescriptorStoreMax=0")
	g.lockInHoldMode(1, true)

	o := g.observe(g.chip, 0, func() {
		pid := g.pid()
		g.run(`systemctl kill --kill-whom=main -s KILL latchd`)
		g.restarted(pid)
	})
	n := trace.Edges(1, o.Events)
	record(t, n > 0, "control: SIGKILL without the file descriptor store", 1, fmt.Sprintf("%d edges", n), "1 or more")
	g.dropIn("")
}
