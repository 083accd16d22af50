package simulation

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// record is what the judge knows of one gateway, from the seams between its parts.
type record struct {
	mu         sync.Mutex
	executions map[string]*execution // the lock's commands, by the reason that the caller gave
	drives     []drive
	logged     []logged
	arrivals   map[string]arrival // by message id
	newest     map[string]uint64  // sequence number of the newest event that arrived, by store
	version    int64              // newest version of the reported properties that the hub has acknowledged
	last       *execution         // the last command whose outcome is on disk
	starts     []time.Time        // of processes
}

// execution is a command that reached the lock.
type execution struct {
	reason  string
	times   int
	done    bool
	endedAt time.Time
	outcome iothub.Outcome // Succeeded, Pending or Refused; empty until done
}

// drive is a motion that a process started.
type drive struct {
	at      time.Time
	target  actuator.Position
	process *process
	open    bool // the motion came with the request of the line
}

// logged is an event of the lock.
type logged struct {
	actuator.Event
	at      time.Time
	process *process
	saved   bool // it is on disk
}

// arrival is an event that the hub has acknowledged.
type arrival struct {
	event events.Event
	times int
}

func (r *record) init() {
	r.executions, r.arrivals, r.newest = map[string]*execution{}, map[string]arrival{}, map[string]uint64{}
}

// began notes that a process passes a command to the lock.
func (r *record) began(g *gateway, c actuator.Command) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.executions[c.Reason]
	if e == nil {
		e = &execution{reason: c.Reason}
		r.executions[c.Reason] = e
	}
	if c.Reason == strayReason {
		g.fail(1, "executed a retained %s", c.Name)
	}
	if e.times++; e.times > 1 {
		g.fail(1, "executed %s of %s %d times", c.Name, c.Reason, e.times)
	}
}

// ended notes the outcome of a command, which is on disk unless the disk is full.
func (r *record) ended(g *gateway, c actuator.Command, result actuator.Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.executions[c.Reason]
	e.done, e.endedAt = true, time.Now()
	switch {
	case err != nil:
		e.outcome = iothub.Refused
	case result.Pending != "":
		e.outcome = iothub.Pending
	default:
		e.outcome = iothub.Succeeded
	}

	if refusal := refusalOf(err); (err == nil || refusal != nil) && !g.disk.wasFull() {
		r.last = e
	}
}

// drove notes that a process starts a motion.
func (r *record) drove(p *process, target actuator.Position, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drives = append(r.drives, drive{time.Now(), target, p, open})
}

// log notes events of the lock, and returns the function to call when they are on disk.
func (r *record) log(p *process, all []actuator.Event) (saved func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := len(r.logged)
	for _, e := range all {
		r.logged = append(r.logged, logged{e, time.Now(), p, false})
	}
	return func(err error) {
		if err != nil || !p.isAlive() {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range all {
			r.logged[first+i].saved = true
		}
	}
}

// reported notes a version of the reported properties that the hub has acknowledged.
func (r *record) reported(version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version = max(r.version, version)
}

// arrived notes a message that the hub has acknowledged.
func (r *record) arrived(g *gateway, m iothub.Message) {
	if m.ID == "" { // a status message
		return
	}
	var e events.Event
	if err := json.Unmarshal(m.Body, &e); err != nil {
		g.fail(5, "an event is not JSON: %v", err)
		return
	}
	store, number, _ := strings.Cut(m.ID, "-")
	if number != strconv.FormatUint(e.Seq, 10) {
		g.fail(5, "the message id %s is not that of event %d", m.ID, e.Seq)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.arrivals[m.ID]; ok {
		if !sameEvent(known.event, e) {
			g.fail(5, "the id %s is used for two events: %s and %s", m.ID, describe(known.event), describe(e))
		}
		known.times++
		r.arrivals[m.ID] = known
		return
	}
	if e.Seq <= r.newest[store] {
		g.fail(5, "event %d (%s) arrived after event %d", e.Seq, describe(e), r.newest[store])
	}
	r.newest[store] = max(r.newest[store], e.Seq)
	r.arrivals[m.ID] = arrival{e, 1}
}

// sameEvent reports whether two messages carry the same event. Its count may have grown.
func sameEvent(a, b events.Event) bool {
	a.Count, b.Count = 0, 0
	sameTime := a.At.Equal(b.At)
	a.At, b.At = time.Time{}, time.Time{}
	return a == b && sameTime
}

func describe(e events.Event) string {
	return strings.Join(strings.Fields(fmt.Sprint(e.Kind, " ", e.Position, " ", e.Name, e.Command, " ", e.Reason, " ", e.Cause, " ", e.Code)), " ")
}

// checkState checks the state with which a new process starts.
func (g *gateway) checkState(s agent.State) {
	g.record.mu.Lock()
	defer g.record.mu.Unlock()
	r := &g.record
	r.starts = append(r.starts, time.Now())
	if r.last == nil {
		return
	}
	last := s.Lock.Last
	if last == nil {
		g.fail(2, "the outcome of %s was on disk, but the next process knows no command", r.last.reason)
		return
	}
	e := r.executions[last.Reason]
	if e == nil || e.done && e.endedAt.Before(r.last.endedAt) {
		g.fail(2, "the outcome of %s was on disk, but the last command that the next process knows is %q", r.last.reason, last.Reason)
	}
}

// tappedSaver tells the judge of the lock's events.
type tappedSaver struct {
	actuator.Saver
	process *process
}

// Save implements actuator.Saver.
func (s tappedSaver) Save(record actuator.Record, all []actuator.Event, done func(error)) {
	saved := func(error) {}
	if s.process.isAlive() {
		saved = s.process.gateway.record.log(s.process, all)
	}
	s.Saver.Save(record, all, func(err error) {
		saved(err)
		done(err)
	})
}
