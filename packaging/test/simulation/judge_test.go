package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// repair ends all faults that the plan has left, and waits for restarts in progress.
func (w *world) repair() {
	for _, p := range w.network.paths {
		p.setStalled(false)
		p.setDown(false)
		p.setDelay(usualDelay)
	}
	w.site.clockOff.Store(0)
	w.front.rest.Store(nil)
	w.site.busy <- struct{}{}
	<-w.site.busy
	for _, g := range w.gateways {
		g.clockOff.Store(0)
		g.misconduct.Store(nil)
		g.disk.setFull(false)
		g.busy <- struct{}{}
		<-g.busy
	}
}

// refusedPause is how long an agent waits before it reports a property again that the hub
// has refused with 400.
const refusedPause = 10 * time.Minute

// judgeTwins checks rule 4. A job that was scheduled earlier may just be moving a bolt, so
// judgeTwins looks several times. If the agent knows of a refusal, judgeTwins waits until
// the agent has reported the property again.
func (w *world) judgeTwins() {
	for _, g := range w.gateways {
		lie := g.findLie()
		for range 3 {
			if lie == "" {
				break
			}
			time.Sleep(10 * time.Second)
			lie = g.findLie()
		}
		if trouble, _ := g.running().agent.Status()["twin"].(map[string]any); lie != "" && trouble["refused"] != nil {
			time.Sleep(refusedPause)
			lie = g.findLie()
		}
		if lie != "" {
			s := g.running().lock.Status()
			g.fail(4, "%s; the lock says %s, door %q, lockdown %t", lie, s.Position, s.Door, s.Lockdown)
		}
	}
}

// findLie compares the gateway's twin with its door. It returns a difference, or "".
func (g *gateway) findLie() string {
	twin, err := g.world.technician.client.Twin(context.Background(), g.id())
	if err != nil {
		return fmt.Sprintf("the twin cannot be read: %v", err)
	}

	bolt, doorOpen := g.driver.State()
	truth := map[string]any{
		"lock.position": bolt,
		"lock.lockdown": twin.Properties.Desired["lockdown"] == true,
	}
	if g.fitting.door {
		truth["door.open"], truth["lock.secured"] = doorOpen, bolt == actuator.Locked && !doorOpen
	}
	for _, path := range slices.Sorted(maps.Keys(truth)) {
		if value := lookUp(twin.Properties.Reported, path); fmt.Sprint(value) != fmt.Sprint(truth[path]) {
			return fmt.Sprintf("the twin has %s = %v; the truth is %v", path, value, truth[path])
		}
	}
	return ""
}

// lookUp returns the property at a dotted path, or nil.
func lookUp(properties iothub.Object, path string) any {
	var value any = map[string]any(properties)
	for name := range strings.SplitSeq(path, ".") {
		o, _ := value.(map[string]any)
		value = o[name]
	}
	return value
}

// judgeJobs checks rule 1: every job has ended, and every row tells the truth.
func (w *world) judgeJobs() {
	ids := slices.Sorted(maps.Keys(w.technician.jobs))
	for _, id := range ids {
		known := w.technician.jobs[id]
		job, err := w.technician.client.Job(context.Background(), id)
		if err != nil {
			if known.acknowledged {
				w.fail(2, "job %s was acknowledged: %v", id, err)
			}
			continue
		}
		if !job.Status.Ended() {
			w.fail(1, "job %s has not ended: %s", id, job.Status)
			continue
		}
		report, err := watch.Rows(context.Background(), w.technician.client, job)
		if err != nil {
			w.fail(1, "read the rows of job %s: %v", id, err)
			continue
		}
		if report.Missing > 0 {
			w.fail(1, "job %s lacks %d rows", id, report.Missing)
		}
		w.technician.saw(report)
		if known.job.Type == iothub.ScheduleDeviceMethod {
			for _, d := range report.Devices {
				w.gatewayOf(d.DeviceID).checkOutcome(reasonOf(known.job.CloudToDeviceMethod), d.Verdict, "the row of job "+id)
			}
		}
		w.rows += len(report.Devices)
	}
}

func (w *world) gatewayOf(id string) *gateway {
	i := slices.IndexFunc(w.gateways, func(g *gateway) bool { return g.id() == id })
	return w.gateways[i]
}

// checkOutcome compares what the hub says of a command with what the lock did.
func (g *gateway) checkOutcome(reason string, verdict iothub.Verdict, source string) {
	g.record.mu.Lock()
	defer g.record.mu.Unlock()
	e := g.record.executions[reason]
	switch verdict.Outcome {
	case iothub.TimedOut, iothub.Uncertain:
		return
	case iothub.Failed:
		if strings.Contains(verdict.Reason, "answer") {
			return // the hub called the device and has no usable answer
		}
		fallthrough
	case iothub.Offline, iothub.Canceled, iothub.Gone:
		if e != nil {
			g.fail(1, "%s says %v, but the device executed %s", source, verdict, reason)
		}
	case iothub.Succeeded, iothub.Pending, iothub.Refused:
		switch {
		case e == nil && verdict.Outcome == iothub.Refused:
			// the agent refused the call before the lock saw it
		case e == nil:
			g.fail(1, "%s says %v, but the device did not execute %s", source, verdict, reason)
		case e.outcome != verdict.Outcome:
			g.fail(1, "%s says %v, but the outcome of %s was %q", source, verdict, reason, e.outcome)
		}
	default:
		g.fail(1, "%s has no final outcome: %v", source, verdict)
	}
}

// reasonOf returns the reason in the payload of a method.
func reasonOf(m *iothub.MethodRequest) string {
	var payload struct{ Reason string }
	json.Unmarshal(m.Payload, &payload)
	return payload.Reason
}

// judgeAcknowledged checks rule 2 for the twins.
func (w *world) judgeAcknowledged() {
	for _, g := range w.gateways {
		twin, err := w.technician.client.Twin(context.Background(), g.id())
		if err != nil {
			g.fail(2, "read the twin: %v", err)
			continue
		}
		for _, tag := range w.technician.notes[g.id()] {
			if twin.Tags[tag] != true {
				g.fail(2, "the hub acknowledged the tag %s and has lost it", tag)
			}
		}
		if got := twin.Properties.Reported.Version(); got < g.record.version {
			g.fail(2, "the hub acknowledged version %d of the reported properties and has %d", g.record.version, got)
		}
	}
}

// causeTime is the time in which the lock must log the cause of a motion: a bolt needs at
// most 4 s.
const causeTime = 10 * time.Second

// judgeCauses checks rule 3.
func (w *world) judgeCauses() {
	for _, g := range w.gateways {
		for _, d := range g.record.drives {
			if !d.open && !g.record.hasCause(d) {
				g.fail(3, "the bolt was driven to %s after %s, but the log of events has no cause", d.target, d.at.Sub(epoch))
			}
		}
	}
}

// hasCause reports whether the log has the cause of a motion. A process that ended during
// the motion could not log it; the next process then logs what it finds.
func (r *record) hasCause(d drive) bool {
	for _, l := range r.logged {
		near := l.at.Sub(d.at).Abs() <= causeTime
		moved := l.Kind == actuator.EventLocked || l.Kind == actuator.EventUnlocked || l.Kind == actuator.EventJammed || l.Kind == actuator.EventCommand
		if near && moved && l.process == d.process && l.Cause != actuator.CauseManual {
			return true
		}
	}
	select {
	case <-d.process.died:
		return true
	default:
		return false
	}
}

// judgeEvents checks rule 5: every event that was on disk arrived, and no number is
// missing that was not counted as dropped.
func (w *world) judgeEvents() {
	for _, g := range w.gateways {
		p := g.running()
		counts := p.log.Counts()
		if counts.Waiting > 0 {
			g.fail(5, "%d events have not arrived", counts.Waiting)
		}
		stores := map[string]bool{}
		numbers := map[uint64]bool{}
		arrived := map[string]bool{}
		for id, a := range g.record.arrivals {
			store, _, _ := strings.Cut(id, "-")
			stores[store], numbers[a.event.Seq] = true, true
			arrived[key(a.event.Kind, a.event.Name+a.event.Command, a.event.Reason, a.event.At)] = true
		}
		if len(stores) > 1 && !g.disk.everFull {
			g.fail(5, "the events come from %d stores, although the disk was never full", len(stores))
		}
		dropped := counts.Dropped.Important + counts.Dropped.Routine
		newest := slices.Max(slices.Collect(maps.Keys(numbers)))
		if missing := int64(newest) - int64(len(numbers)); missing > dropped {
			g.fail(5, "%d events are missing, but only %d were counted as dropped", missing, dropped)
		}
		for _, l := range g.record.logged {
			if l.saved && !l.Repeats && dropped == 0 && !arrived[key(string(l.Kind), l.Command, l.Reason, l.Time)] {
				g.fail(5, "the event %s %s %q of %s was on disk and never arrived", l.Kind, l.Command, l.Reason, l.at.Sub(epoch))
			}
		}
	}
}

func key(kind, command, reason string, at time.Time) string {
	return fmt.Sprint(kind, command, reason, at.UTC().UnixNano())
}

// judgeGoroutines checks the first half of rule 6. The end of the bubble checks it again:
// no goroutine may be left then. A gateway may just be renewing its token, so
// judgeGoroutines looks several times.
func (w *world) judgeGoroutines(before map[string][]string) {
	var extra map[string][]string
	for range 5 {
		w.settle()
		extra = goroutines()
		maps.DeleteFunc(extra, func(creator string, stacks []string) bool { return len(stacks) <= len(before[creator]) })
		if len(extra) == 0 {
			return
		}
	}
	for creator, stacks := range extra {
		w.fail(6, "%d goroutines of %s, at first %d:\n%s", len(stacks), creator, len(before[creator]), strings.Join(stacks, "\n\n"))
	}
}

// count returns how much happened.
func (w *world) count() counts {
	c := counts{simulated: time.Since(epoch), commands: w.technician.commands, jobs: len(w.technician.jobs), faults: w.faultCount, rows: w.rows, crashes: w.site.crashes}
	for _, g := range w.gateways {
		c.executed += len(g.record.executions)
		c.arrivals += len(g.record.arrivals)
		c.crashes += g.crashes
		c.rolls += g.rolls
		c.drives += len(g.record.drives)
	}
	return c
}
