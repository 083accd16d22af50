package door

import (
	"slices"
	"strings"
	"time"
)

// State is what a person must know about a door at a glance.
type State string

// The states of a door. A door that meets several of them has the first.
const (
	Forced   State = "forced"      // the door or the bolt was moved although the door was locked
	HeldOpen State = "held open"   // the door has been open for too long
	Fault    State = "fault"       // the bolt is jammed, or the door reports another fault
	Offline  State = "offline"     // the door has no connection; what it reported may no longer be true
	Open     State = "open"        // the door is open
	Unlocked State = "unlocked"    // the bolt is unlocked
	Unsecure State = "not secured" // the bolt is locked, but the door does not report that it is secured
	Moving   State = "moving"      // the bolt is moving
	Unknown  State = "unknown"     // the door does not know, or never reported, the bolt's position
	Locked   State = "locked"      // the door reports that it is secured: locked and not open
)

// States lists the states in the order in which to show doors: trouble first.
var States = []State{Forced, HeldOpen, Fault, Open, Unlocked, Unsecure, Moving, Unknown, Offline, Locked}

// Trouble reports whether somebody must look at a door in this state.
func (s State) Trouble() bool { return s == Forced || s == HeldOpen || s == Fault }

// Rank returns the place of the state in States.
func (s State) Rank() int { return slices.Index(States, s) }

// Safe reports whether the door is secured now: it is connected, reports lock.secured,
// and reports no trouble.
func (d Door) Safe() bool { return d.State == Locked }

// judge returns the state of a door. It uses only what the door and the hub report.
func (d Door) judge() State {
	switch {
	case d.Forced:
		return Forced
	case d.HeldOpen:
		return HeldOpen
	case d.Position == "jammed" || d.Fault != "" || d.ExitStuck:
		return Fault
	case !d.Connected:
		return Offline
	}

	return d.reported()
}

// reported returns the state that a door without trouble reported last.
func (d Door) reported() State {
	switch {
	case d.Open:
		return Open
	case d.Position == "unlocked":
		return Unlocked
	case d.Position == "moving":
		return Moving
	case d.Position != "locked":
		return Unknown
	case !d.Secured:
		return Unsecure
	}

	return Locked
}

// times holds when a door says that its parts changed. Each time may be zero.
type times struct{ lock, door, forced time.Time }

// since returns when the door's state began. For an offline door, it returns when the
// state began that the door reported last.
func (d Door) since(t times) time.Time {
	state := d.State
	if state == Offline {
		state = d.reported()
	}

	switch {
	case state == Forced:
		return t.forced
	case state == HeldOpen, state == Open:
		return t.door
	case state == Fault && d.Position != "jammed":
		return time.Time{} // a door does not report when its fault began
	}

	return t.lock
}

// Details returns everything that the state itself does not say, such as the fault and the
// position of the bolt. It may return an empty text. format formats a time for the user.
func (d Door) Details(format func(time.Time) string) string {
	var parts []string
	add := func(applies bool, text string) {
		if applies {
			parts = append(parts, text)
		}
	}

	reported := d.reported()
	add(d.Position == "" && !d.State.Trouble(), "never reported")
	add(d.State == Offline && d.Position != "", "was "+string(reported))
	add(d.Fault != "", d.Fault)
	add(d.ExitStuck && d.Fault == "", "the exit input is stuck")
	add(d.State.Trouble() && d.Open, "door open")
	add(d.State.Trouble() && d.Closed, "door closed")
	add((d.State.Trouble() || reported == Open) && d.Position != "", "bolt "+d.Position)
	add(reported == Unsecure && !d.Insecure, "the door does not report whether it is secured")

	add(d.Hold, "until somebody locks it")
	add(!d.Hold && !d.ReleasedUntil.IsZero(), "until "+format(d.ReleasedUntil))
	add(d.Pending && d.Open, "locks when the door is closed")
	add(d.Pending && !d.Open, "locks by itself soon")
	add(d.Lockdown, "lockdown")
	add(d.Assumed && d.Position != "", "position assumed")

	add(!d.Connected && d.Disabled, "disabled at the hub")
	add(!d.Connected && !d.OfflineSince.IsZero(), "offline since "+format(d.OfflineSince))
	add(!d.Connected && d.OfflineSince.IsZero(), "never connected")

	return strings.Join(parts, ", ")
}
