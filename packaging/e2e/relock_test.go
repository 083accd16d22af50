//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/e2e/trace"
)

// relock shows that a crash of the agent does not cancel a relock that is due later.
// The next process locks the door at the planned time, or immediately if that time has
// passed.
func relock(t *testing.T, g *gateway) {
	for _, promise := range []struct {
		name     string
		after    int // time from unlocking to the relock, in seconds
		downtime int // time until systemd restarts the agent, in seconds
	}{
		{"relock promised, then SIGKILL", 12, 2},
		{"relock overdue after SIGKILL", 3, 8},
	} {
		g.run(fmt.Sprintf(`mkdir -p /etc/systemd/system/latchd.service.d
			printf '[Service]\nRestartSec=%d\n' >/etc/systemd/system/latchd.service.d/slow.conf
			systemctl daemon-reload`, promise.downtime))
		g.lockInHoldMode(1, true)

		var promised, ready time.Duration
		o := g.observe(g.chip, 0, func() {
			if out := g.invoke("unlockDoor", fmt.Sprintf(`{"forSeconds":%d}`, promise.after)); !contains(out, "status 200") {
				t.Fatalf("unlockDoor: %s", out)
			}
			pid := g.pid()
			g.run(`systemctl kill --kill-whom=main -s KILL latchd`)
			g.restarted(pid)
			ready = g.uptime()
			g.twin("the relock", reportedLock("position", "locked"))
		})

		var locked []time.Duration
		for _, e := range o.Events {
			switch {
			case e.Kind == trace.Set && e.Level == 0:
				promised = e.At + time.Duration(promise.after)*time.Second
			case e.Kind == trace.Set && e.Level == 1:
				locked = append(locked, e.At)
			}
		}

		if len(locked) != 1 || trace.Edges(1, o.Events) != 2 {
			t.Errorf("%s: the line's events are %+v", promise.name, o.Events)
			continue
		}
		late, allowed := locked[0]-promised, 500*time.Millisecond
		if ready > promised { // the agent was down when the relock was due
			late, allowed = locked[0]-ready, 0 // the agent must lock the door before it reports ready
		}
		record(t, late <= allowed, promise.name, 1, fmt.Sprintf("%.2f s late", late.Seconds()), fmt.Sprintf("%.2f s", allowed.Seconds()))
	}
	g.run(`rm -r /etc/systemd/system/latchd.service.d && systemctl daemon-reload`)
}
