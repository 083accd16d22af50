package agent

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
)

// scenario is one row of the table below.
type scenario struct {
	about   string
	door    fitting
	input   []string // what happens, in order
	answers string   // of the methods, separated by "; "
	events  string   // that the hub receives, without the agent's own
	twin    string   // reported properties at the end
	view    string   // the door at the end, in words, for a technician
}

var scenarios = []scenario{
	// What an opening means.
	{about: "an unlocked door is opened", input: []string{`unlockDoor`, `open`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened",
		twin: "lock.position=unlocked lock.secured=false door.open=true door.forced=false",
		view: "unlocked, held unlocked, door open"},
	{about: "a door is opened while its strike is energised", door: fitting{mode: actuator.Pulse, noBolt: true},
		input: []string{`unlockDoor {"forSeconds":5}`, `open`}, answers: "200",
		events: "unlocked command(unlockDoor remote 200) doorOpened",
		twin:   "lock.source=assumed door.forced=false", view: "unlocked, door open"},
	{about: "a door is opened just after its release has ended", input: []string{`unlockDoor {"forSeconds":2}`, `wait 4s`, `pry`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor relock 200) doorOpened",
		twin: "lock.position=locked door.forced=false", view: "locked, door open"},
	{about: "a door is opened long after its release has ended", input: []string{`unlockDoor {"forSeconds":2}`, `wait 9s`, `pry`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor relock 200) forced",
		twin: "door.open=true door.forced=true", view: "locked, door open, FORCED"},
	{about: "a motion sensor announces an opening", door: fitting{shunt: true}, input: []string{`exit`, `wait 2s`, `pry`},
		events: "doorOpened", twin: "lock.position=locked door.forced=false", view: "locked, door open"},
	{about: "a motion sensor announced an opening too long ago", door: fitting{shunt: true}, input: []string{`exit`, `wait 6s`, `pry`},
		events: "forced", twin: "door.forced=true", view: "locked, door open, FORCED"},
	{about: "a jammed door is opened", door: fitting{fault: mock.Jam}, input: []string{`unlockDoor`, `pry`},
		answers: "500 jammed", events: "jammed command(unlockDoor remote 500 jammed) doorOpened",
		twin: "lock.position=jammed door.forced=false", view: "jammed, held unlocked, door open"},
	{about: "a door whose bolt is at an unknown place is opened", door: fitting{mode: actuator.Dual, noBolt: true}, input: []string{`pry`},
		events: "doorOpened", twin: "lock.position=unknown", view: "unknown, door open"},
	{about: "a handle opens the locked door", door: fitting{manual: true}, input: []string{`pry`},
		events: "doorOpened(manual)", twin: "door.forced=false", view: "locked, door open"},
	{about: "a key turns the bolt", door: fitting{manual: true}, input: []string{`turn unlocked`, `open`, `close`, `turn locked`},
		events: "unlocked(manual) doorOpened doorClosed(0.3s) locked", twin: "door.forced=false", view: "safe"},
	{about: "a burglar opens the locked door", input: []string{`pry`},
		events: "forced", twin: "lock.position=locked lock.secured=false door.open=true door.forced=true", view: "locked, door open, FORCED"},
	{about: "a burglar opens the locked door three times", input: []string{`pry`, `close`, `pry`, `close`, `pry`, `close`},
		events: "forced doorClosed(0.3s) forced doorClosed(0.3s) forced doorClosed(0.3s)",
		twin:   "door.forced=false", view: "safe"},
	{about: "a burglar moves the bolt", input: []string{`turn unlocked`},
		events: "forced", twin: "lock.position=unlocked door.forced=true", view: "unlocked, FORCED"},
	{about: "the alarm of a forced bolt ends when the door is locked", input: []string{`turn unlocked`, `lockDoor`},
		answers: "200", events: "forced locked command(lockDoor remote 200)",
		twin: "door.forced=false", view: "safe"},
	{about: "a burglar opens a strike that was never used", door: fitting{mode: actuator.Pulse, noBolt: true}, input: []string{`pry`},
		events: "forced", twin: "door.forced=true lock.source=assumed", view: "locked, door open, FORCED"},
	{about: "the door was opened while the agent was down", input: []string{`stop`, `pry`, `start`},
		events: "doorOpened(unseen)", twin: "door.forced=false door.open=true", view: "locked, door open"},

	// The exit input.
	{about: "somebody leaves", input: []string{`exit`, `open`, `wait 2s`, `close`, `wait 6s`},
		events: "unlocked command(unlockDoor exit 200) doorOpened doorClosed(2.6s) locked command(lockDoor relock 200)",
		twin:   "lock.releasedUntil=none door.forced=false", view: "safe"},
	{about: "the exit button opens a strike", door: fitting{mode: actuator.Pulse, noBolt: true}, input: []string{`exit`, `open`, `close`, `wait 6s`},
		events: "unlocked command(unlockDoor exit 200) doorOpened doorClosed(0.3s) locked", view: "safe"},
	{about: "somebody leaves during a hold", input: []string{`unlockDoor`, `exit`, `wait 20s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) command(unlockDoor exit 200)",
		twin: "lock.hold=true", view: "unlocked, held unlocked"},
	{about: "somebody leaves while the door is being locked", door: fitting{fault: mock.Slow},
		input:   []string{`unlockDoor`, `wait 2s`, `begin lockDoor`, `exit`, `wait 20s`},
		answers: "200; 202 pending exit",
		events: "unlocked command(unlockDoor remote 200) command(lockDoor remote 202 pending exit) " +
			"command(unlockDoor exit 200) locked command(lockDoor relock 200)",
		view: "safe"},
	{about: "somebody leaves right after the door was locked: the exit waits for the minimum interval",
		input:   []string{`unlockDoor`, `wait 1s`, `lockDoor`, `exit`, `wait 1s`},
		answers: "200; 200",
		events:  "unlocked command(unlockDoor remote 200) locked command(lockDoor remote 200) unlocked command(unlockDoor exit 200)",
		view:    "unlocked, for a while"},
	{about: "somebody locks the door while another person leaves", door: fitting{fault: mock.Slow},
		input: []string{`exit`, `begin lockDoor`, `wait 20s`}, answers: "202 pending exit",
		events: "command(lockDoor remote 202 pending exit) unlocked command(unlockDoor exit 200) locked command(lockDoor relock 200)",
		view:   "safe"},
	{about: "the button was stuck when the agent started", input: []string{`stop`, `press`, `start`, `wait 31s`},
		events: "exitStuck", twin: "lock.position=locked door.exitStuck=true", view: "safe, EXIT STUCK"},
	{about: "the button is stuck", input: []string{`press`, `wait 40s`},
		events: "unlocked command(unlockDoor exit 200) locked command(lockDoor relock 200) exitStuck",
		twin:   "door.exitStuck=true", view: "safe, EXIT STUCK"},
	{about: "the button was stuck", input: []string{`press`, `wait 40s`, `release`},
		events: "unlocked command(unlockDoor exit 200) locked command(lockDoor relock 200) exitStuck",
		twin:   "door.exitStuck=none", view: "safe"},
	{about: "people leave one after another while the gateway is offline", input: []string{`offline`, `exit`, `exit`, `exit`, `wait 8s`, `online`},
		events: "unlocked command(unlockDoor exit 200 x3) locked command(lockDoor relock 200)", view: "safe"},

	// Release and hold.
	{about: "a release during a hold changes nothing", input: []string{`unlockDoor`, `unlockDoor {"forSeconds":2}`, `wait 5s`},
		answers: "200; 200 held unchanged", events: "unlocked command(unlockDoor remote 200) command(unlockDoor remote 200)",
		twin: "lock.hold=true lock.releasedUntil=none", view: "unlocked, held unlocked"},
	{about: "a hold replaces a release", input: []string{`unlockDoor {"forSeconds":2}`, `unlockDoor {"hold":true}`, `wait 5s`},
		answers: "200; 200 unchanged", events: "unlocked command(unlockDoor remote 200) command(unlockDoor remote 200)",
		twin: "lock.hold=true lock.releasedUntil=none", view: "unlocked, held unlocked"},
	{about: "the later end of two releases wins", input: []string{`unlockDoor {"forSeconds":10}`, `unlockDoor {"forSeconds":2}`, `wait 8s`},
		answers: "200; 200 unchanged", events: "unlocked command(unlockDoor remote 200) command(unlockDoor remote 200)",
		twin: "lock.hold=false", view: "unlocked, for a while"},
	{about: "a lock ends a release", input: []string{`unlockDoor {"forSeconds":30}`, `wait 1s`, `lockDoor`, `wait 60s`},
		answers: "200; 200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor remote 200)",
		twin: "lock.releasedUntil=none", view: "safe"},
	{about: "a lock ends a hold", input: []string{`unlockDoor`, `wait 1s`, `lockDoor`},
		answers: "200; 200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor remote 200)",
		twin: "lock.hold=false", view: "safe"},
	{about: "the setting autoRelockSeconds makes an unlock a release", input: []string{`desire {"autoRelockSeconds":4}`, `unlockDoor`, `wait 2s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200)",
		twin: "lock.hold=false autoRelockSeconds.ac=200", view: "unlocked, for a while"},
	{about: "a hold in spite of autoRelockSeconds", door: fitting{autoRelock: 4}, input: []string{`unlockDoor {"hold":true}`, `wait 9s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200)", twin: "lock.hold=true", view: "unlocked, held unlocked"},
	{about: "nothing can hold a strike", door: fitting{mode: actuator.Pulse}, input: []string{`unlockDoor {"hold":true}`},
		answers: "400 bad-payload", view: "safe"},
	{about: "a strike locks again by itself", door: fitting{mode: actuator.Pulse, noBolt: true}, input: []string{`unlockDoor {"forSeconds":5}`, `wait 6s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) locked",
		twin: "lock.hold=false lock.releasedUntil=none", view: "safe"},
	{about: "repeated unlocks cannot keep a strike energised", door: fitting{mode: actuator.Pulse, noBolt: true},
		input:   []string{`unlockDoor {"forSeconds":9}`, `wait 7s`, `unlockDoor {"forSeconds":9}`, `wait 2s`, `unlockDoor`},
		answers: "200; 200; 429 too-soon",
		events: "unlocked command(unlockDoor remote 200) command(unlockDoor remote 200) locked " +
			"command(unlockDoor remote 429 too-soon)",
		view: "safe"},
	{about: "an unlock while the door is being locked is refused", door: fitting{fault: mock.Slow},
		input:   []string{`unlockDoor`, `wait 1s`, `begin lockDoor`, `unlockDoor`, `wait 4s`},
		answers: "200; 409 busy; 200",
		events:  "unlocked command(unlockDoor remote 200) command(unlockDoor remote 409 busy) locked command(lockDoor remote 200)",
		view:    "safe"},
	{about: "a power cut ends a release", door: fitting{last: true}, input: []string{`unlockDoor {"forSeconds":60}`, `stop`, `boot`, `wait 5s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) locked(powerOn)",
		twin: "lock.releasedUntil=none", view: "safe"},
	{about: "a power cut does not end a hold", door: fitting{last: true}, input: []string{`unlockDoor`, `stop`, `boot`, `wait 5s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200)", twin: "lock.hold=true", view: "unlocked, held unlocked"},
	{about: "an overdue relock happens at the restart", input: []string{`unlockDoor {"forSeconds":5}`, `stop`, `wait 60s`, `start`, `wait 2s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor relock 200)", view: "safe"},

	{about: "a restart does not end a hold, even if the door is open", input: []string{`unlockDoor`, `open`, `stop`, `start`, `close`, `wait 5s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened doorClosed(0.9s)",
		twin: "lock.hold=true lock.pending=false", view: "unlocked, held unlocked"},
	{about: "a power cut while the door is open: it locks when it closes", input: []string{`unlockDoor`, `open`, `stop`, `boot`, `wait 5s`, `close`, `wait 3s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened doorClosed(5.6s) locked command(lockDoor relock 200)",
		twin: "lock.hold=false", view: "safe"},

	// Relocking when the door closes.
	{about: "the door locks as soon as it has closed", door: fitting{close: true}, input: []string{`unlockDoor {"forSeconds":60}`, `open`, `close`, `wait 1s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened doorClosed(0.3s) locked command(lockDoor relock 200)", view: "safe"},
	{about: "the door bounces", door: fitting{close: true},
		input:   []string{`unlockDoor {"forSeconds":60}`, `open`, `close`, `open`, `close`, `wait 200ms`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened doorClosed(0.3s) doorOpened doorClosed(0.3s)", view: "unlocked, for a while"},
	{about: "the door sensor cannot be read: the time counts", door: fitting{close: true},
		input: []string{`unlockDoor {"forSeconds":5}`, `blind`, `wait 6s`}, answers: "200",
		events: "unlocked command(unlockDoor remote 200) locked command(lockDoor relock 200)",
		twin:   "lock.position=locked door.open=none", view: "safe"},
	{about: "a relock waits for an open door", input: []string{`unlockDoor {"forSeconds":2}`, `open`, `wait 10s`, `close`, `wait 2s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened doorClosed(10.6s) locked command(lockDoor relock 200)", view: "safe"},

	// Locks of an open door.
	{about: "an open door refuses to lock", input: []string{`unlockDoor`, `open`, `lockDoor`},
		answers: "200; 409 door-open", events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote 409 door-open)",
		twin: "lock.pending=false", view: "unlocked, held unlocked, door open"},
	{about: "a lock waits until the door closes", input: []string{`unlockDoor`, `open`, `lockDoor {"whenClosed":true,"by":"ann"}`},
		answers: "200; 202 pending door", events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote by ann 202 pending door)",
		twin: "lock.pending=true lock.hold=false", view: "unlocked, door open, locks when closed"},
	{about: "a pending lock locks after the door has closed", input: []string{`unlockDoor`, `open`, `lockDoor {"whenClosed":true,"by":"ann"}`, `close`, `wait 2s`},
		answers: "200; 202 pending door",
		events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote by ann 202 pending door) doorClosed(0.6s) " +
			"locked(by ann) command(lockDoor relock by ann 200)",
		twin: "lock.pending=false", view: "safe"},
	{about: "a pending lock survives a restart", input: []string{`unlockDoor`, `open`, `lockDoor {"whenClosed":true}`, `stop`, `start`, `close`, `wait 2s`},
		answers: "200; 202 pending door",
		events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote 202 pending door) doorClosed(1.2s) " +
			"locked command(lockDoor relock 200)",
		view: "safe"},
	{about: "a hold cancels a pending lock", input: []string{`unlockDoor`, `open`, `lockDoor {"whenClosed":true}`, `unlockDoor`, `close`, `wait 3s`},
		answers: "200; 202 pending door; 200 unchanged",
		events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote 202 pending door) " +
			"superseded command(unlockDoor remote 200) doorClosed(0.9s)",
		twin: "lock.hold=true lock.pending=false", view: "unlocked, held unlocked"},
	{about: "a release suspends a pending lock", input: []string{`unlockDoor`, `open`, `lockDoor {"whenClosed":true}`, `unlockDoor {"forSeconds":5}`, `close`, `wait 2s`},
		answers: "200; 202 pending door; 200 unchanged",
		events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote 202 pending door) " +
			"command(unlockDoor remote 200) doorClosed(0.9s)",
		twin: "lock.pending=true", view: "unlocked, for a while, locks when closed"},
	{about: "without a door sensor, a lock waits for nothing", door: fitting{noDoor: true}, input: []string{`unlockDoor`, `wait 1s`, `lockDoor {"whenClosed":true}`},
		answers: "200; 200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor remote 200)",
		twin: "door=none", view: "safe"},

	// A door that is held open.
	{about: "a door is held open", door: fitting{heldOpen: 30}, input: []string{`unlockDoor {"forSeconds":5}`, `open`, `wait 90s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened heldOpen",
		twin: "door.heldOpen=true", view: "unlocked, for a while, door open, HELD OPEN"},
	{about: "a door that was held open is closed", door: fitting{heldOpen: 30},
		input:   []string{`unlockDoor {"forSeconds":5}`, `open`, `wait 40s`, `close`, `wait 2s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened heldOpen doorClosed(40.6s) locked command(lockDoor relock 200)",
		twin: "door.heldOpen=false", view: "safe"},
	{about: "a hold suspends the alarm", door: fitting{heldOpen: 30}, input: []string{`unlockDoor`, `open`, `wait 60s`, `lockDoor {"whenClosed":true}`, `wait 20s`},
		answers: "200; 202 pending door", events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote 202 pending door)",
		twin: "door.heldOpen=false", view: "unlocked, door open, locks when closed"},
	{about: "the alarm counts from the end of a hold", door: fitting{heldOpen: 30},
		input:   []string{`unlockDoor`, `open`, `wait 60s`, `lockDoor {"whenClosed":true}`, `wait 31s`},
		answers: "200; 202 pending door", events: "unlocked command(unlockDoor remote 200) doorOpened command(lockDoor remote 202 pending door) heldOpen",
		twin: "door.heldOpen=true", view: "unlocked, door open, locks when closed, HELD OPEN"},
	{about: "the alarm counts across a restart", door: fitting{heldOpen: 30},
		input:   []string{`unlockDoor {"forSeconds":5}`, `open`, `wait 10s`, `stop`, `wait 10s`, `start`, `wait 10s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened heldOpen",
		view: "unlocked, for a while, door open, HELD OPEN"},
	{about: "the twin sets the time of the alarm", input: []string{`desire {"heldOpenSeconds":10}`, `unlockDoor {"forSeconds":5}`, `open`, `wait 11s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened heldOpen",
		twin: "heldOpenSeconds.ac=200", view: "unlocked, for a while, door open, HELD OPEN"},

	// Lockdown.
	{about: "lockdown locks a door that is held unlocked", input: []string{`unlockDoor`, `wait 1s`, `desire {"lockdown":true}`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) lockdownOn locked command(lockDoor lockdown 200)",
		twin: "lockdown.ac=200 lockdown.value=true lock.lockdown=true lock.hold=false", view: "safe, lockdown"},
	{about: "lockdown refuses unlocks", input: []string{`desire {"lockdown":true}`, `unlockDoor {"by":"ann"}`, `local unlockDoor`},
		answers: "403 lockdown; 403 lockdown",
		events:  "lockdownOn command(lockDoor lockdown 200) command(unlockDoor remote by ann 403 lockdown) command(unlockDoor local 403 lockdown)",
		twin:    "lockdown.ac=200 lock.lastCommand.status=403", view: "safe, lockdown"},
	{about: "root overrides lockdown", input: []string{`desire {"lockdown":true}`, `wait 1s`, `override unlockDoor {"forSeconds":5}`},
		answers: "200", events: "lockdownOn command(lockDoor lockdown 200) unlocked command(unlockDoor local 200)",
		twin: "lockdown.ac=202", view: "unlocked, for a while, lockdown"},
	{about: "lockdown waits for an open door", input: []string{`unlockDoor`, `open`, `desire {"lockdown":true}`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened lockdownOn",
		twin: "lockdown.ac=202 lock.pending=true", view: "unlocked, door open, locks when closed, lockdown"},
	{about: "lockdown locks an open door when it closes", input: []string{`unlockDoor`, `open`, `desire {"lockdown":true}`, `close`, `wait 2s`},
		answers: "200", events: "unlocked command(unlockDoor remote 200) doorOpened lockdownOn doorClosed(0.6s) locked command(lockDoor lockdown 200)",
		twin: "lockdown.ac=200", view: "safe, lockdown"},
	{about: "people leave during lockdown", input: []string{`desire {"lockdown":true}`, `exit`, `open`, `close`, `wait 8s`, `exit`, `wait 8s`},
		events: "lockdownOn command(lockDoor lockdown 200) " +
			"unlocked command(unlockDoor exit 200) doorOpened doorClosed(0.3s) locked command(lockDoor relock 200) " +
			"unlocked command(unlockDoor exit 200) locked command(lockDoor relock 200)",
		twin: "lockdown.ac=200", view: "safe, lockdown"},
	{about: "lockdown is refused where it could trap people", door: fitting{noEgress: true}, input: []string{`desire {"lockdown":true}`, `unlockDoor`},
		answers: "200", events: "unlocked command(unlockDoor remote 200)",
		twin: "lockdown.ac=403 lockdown.value=false lock.lockdown=false", view: "unlocked, held unlocked"},
	{about: "lockdown reaches a door that was offline", input: []string{`unlockDoor`, `offline`, `desire {"lockdown":true}`, `wait 60s`, `online`, `unlockDoor`},
		answers: "200; 403 lockdown",
		events:  "unlocked command(unlockDoor remote 200) lockdownOn locked command(lockDoor lockdown 200) command(unlockDoor remote 403 lockdown)",
		twin:    "lockdown.ac=200", view: "safe, lockdown"},
	{about: "lockdown outlives a power cut", door: fitting{last: true}, input: []string{`desire {"lockdown":true}`, `stop`, `boot`, `wait 5s`, `unlockDoor`},
		answers: "403 lockdown", events: "lockdownOn command(lockDoor lockdown 200) command(unlockDoor remote 403 lockdown)",
		twin: "lockdown.ac=200", view: "safe, lockdown"},
	{about: "a door that must be unlocked at power-on stays unlocked", door: fitting{atPowerOn: actuator.Unlocked},
		input:  []string{`desire {"lockdown":true}`, `stop`, `boot`, `wait 5s`},
		events: "lockdownOn locked command(lockDoor lockdown 200) unlocked(powerOn)",
		twin:   "lockdown.ac=202", view: "unlocked, lockdown"},
	{about: "a jam during lockdown is reported", door: fitting{fault: mock.Jam, atPowerOn: actuator.Locked}, input: []string{`turn unlocked`, `desire {"lockdown":true}`, `wait 5s`},
		events: "forced lockdownOn jammed command(lockDoor lockdown 500 jammed)",
		twin:   "lockdown.ac=202", view: "jammed, lockdown, FORCED"},
	{about: "a bolt that is turned by hand during lockdown is not countered", input: []string{`desire {"lockdown":true}`, `turn unlocked`, `wait 60s`},
		events: "lockdownOn command(lockDoor lockdown 200) forced", twin: "lockdown.ac=202", view: "unlocked, lockdown, FORCED"},
	{about: "the end of lockdown moves nothing", input: []string{`desire {"lockdown":true}`, `desire {"lockdown":false}`, `wait 1s`, `unlockDoor`},
		answers: "200", events: "lockdownOn command(lockDoor lockdown 200) lockdownOff unlocked command(unlockDoor remote 200)",
		twin: "lockdown.ac=200 lockdown.value=false", view: "unlocked, held unlocked"},
	{about: "deleting the property ends lockdown", input: []string{`desire {"lockdown":true}`, `desire {"lockdown":null}`},
		events: "lockdownOn command(lockDoor lockdown 200) lockdownOff", twin: "lockdown=none lock.lockdown=false", view: "safe"},

	// Who did it.
	{about: "the event tells who asked and why, and the twin only why", input: []string{`unlockDoor {"by":"ann","reason":"fire drill"}`},
		answers: "200", events: "unlocked(by ann) command(unlockDoor remote by ann 200)",
		twin: "lock.lastCommand.by=none lock.lastCommand.name=unlockDoor", view: "unlocked, held unlocked"},
	{about: "a command that changes nothing leaves an event", input: []string{`lockDoor`},
		answers: "200 unchanged", events: "command(lockDoor remote 200)", view: "safe"},
	{about: "no payload keeps a door from being locked", input: []string{`unlockDoor`, `wait 1s`, `lockDoor ["now",{"by":7}]`},
		answers: "200; 200", events: "unlocked command(unlockDoor remote 200) locked command(lockDoor remote 200)", view: "safe"},
	{about: "somebody at the gateway unlocks the door", input: []string{`offline`, `local unlockDoor {"by":"root","forSeconds":3}`, `wait 4s`, `online`},
		answers: "200", events: "unlocked(by root) command(unlockDoor local by root 200) locked command(lockDoor relock 200)", view: "safe"},
	{about: "equal refusals become one event", input: []string{`desire {"lockdown":true}`, `offline`, `local unlockDoor`, `local unlockDoor`, `local unlockDoor`, `online`},
		answers: "403 lockdown; 403 lockdown; 403 lockdown",
		events:  "lockdownOn command(lockDoor lockdown 200) command(unlockDoor local 403 lockdown x3)",
		view:    "safe, lockdown"},
	{about: "a loose contact displaces no command", door: fitting{manual: true}, input: []string{`offline`, `local lockDoor {"by":"ann"}`, `flutter`, `online`},
		answers: "200 unchanged", events: "command(lockDoor local by ann 200) " +
			strings.Repeat("doorOpened(manual) doorClosed ", 9) + "doorOpened(manual) chattering(door sensor)",
		view: "safe"},
}

// TestScenarios runs every scenario on the real goroutine of a lock, with the real store
// and log of events on disk, on the test's own clock.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.about, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, s.door)
				defer r.stop()
				for _, step := range s.input {
					r.do(step)
				}
				r.check(s)
			})
		})
	}
}

func (r *rig) check(s scenario) {
	r.t.Helper()
	compare := func(what, got, want string) {
		r.t.Helper()
		if got != want {
			r.t.Errorf("%s\n got %s\nwant %s", what, got, want)
		}
	}

	compare("answers", strings.Join(r.answers, "; "), s.answers)
	compare("events", strings.Join(r.events, " "), s.events)
	compare("view", r.view(), s.view)
	for pair := range strings.FieldsSeq(s.twin) {
		path, want, _ := strings.Cut(pair, "=")
		compare(path, r.twin(path), want)
	}
}
