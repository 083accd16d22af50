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
	Verb    string // verb for questions and notes: "lock", "update the twins of"
	When    string // description of the time, such as "until 2026-11-30 18:00 CET"; empty means at once
	Name    string // first word of generated job ids: "lock", "twin"
	Caution Caution
}

// OperationOf describes a job that calls the method m or, if m is nil, updates twins.
func OperationOf(m *iothub.MethodRequest) Operation {
	switch {
	case m == nil:
		return Operation{Verb: "update the twins of", Name: "twin"}
	case strings.EqualFold(m.MethodName, LockDoor):
		return Operation{Verb: "lock", Name: "lock"}
	case strings.EqualFold(m.MethodName, UnlockDoor):
		return Operation{Verb: "unlock", Name: "unlock", Caution: AboveOne}
	}

	return Operation{Verb: "call " + m.MethodName + " on", Name: m.MethodName}
}

// On describes the operation on a number of devices: "unlock 2 devices until ...".
func (op Operation) On(devices int) string {
	return strings.TrimSpace(op.Verb + " " + words.Count(devices, "device") + " " + op.When)
}
