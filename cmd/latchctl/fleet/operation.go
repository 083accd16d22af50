package fleet

import (
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
)

// The direct methods that move a door's bolt.
const (
	LockDoor   = "lockDoor"
	UnlockDoor = "unlockDoor"
)

// Caution says for how many devices an operation needs the user's confirmation. Above
// Fleet.ConfirmAbove devices, every operation needs it.
type Caution int

// The values of Caution.
const (
	AboveLimit Caution = iota // for more than Fleet.ConfirmAbove devices
	AboveOne                  // for two devices or more, such as an unlock
	Always                    // even for one device
)

// Operation describes what a job does to each of its devices.
type Operation struct {
	Title   string // for lists: "Lock", "Change twins"
	Verb    string // for questions and notes: "lock", "change the twins of"
	Noun    string // what the user calls the devices: "door" or "device"
	When    string // description of the time, such as "until 2026-11-30 18:00 CET"; empty means at once
	Name    string // first word of generated job ids: "lock", "twin"
	Caution Caution
}

// OperationOf describes what a job does.
func OperationOf(job iothub.Job) Operation {
	m := job.CloudToDeviceMethod
	switch {
	case job.Type == iothub.ScheduleUpdateTwin:
		return Operation{Title: "Change twins", Verb: "change the twins of", Noun: "device", Name: "twin"}
	case m == nil:
		return Operation{Title: string(job.Type), Verb: "run " + string(job.Type) + " on", Noun: "device", Name: "job"}
	case strings.EqualFold(m.MethodName, LockDoor):
		return Operation{Title: "Lock", Verb: "lock", Noun: "door", Name: "lock"}
	case strings.EqualFold(m.MethodName, UnlockDoor):
		return Operation{Title: "Unlock", Verb: "unlock", Noun: "door", Name: "unlock", Caution: AboveOne}
	}

	return Operation{Title: "Call " + m.MethodName, Verb: "call " + m.MethodName + " on", Noun: "device", Name: m.MethodName}
}

// Describe describes an operation on a number of devices of the fleet: "unlock 2 doors on
// north until ...". Questions, notes and dialogs use it.
func (f *Fleet) Describe(op Operation, devices int) string {
	return strings.TrimSpace(op.Verb + " " + words.Count(devices, op.Noun) + " on " + f.HubName + " " + op.When)
}
