package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// BoltCommand is a command that moves the bolts of doors.
type BoltCommand struct {
	Unlock     bool   // true unlocks, false locks
	Reason     string // told to the doors, which record it
	ForSeconds int64  // an unlocked door locks again after this time; 0 means that its own setting decides
	Hold       bool   // an unlocked door stays unlocked until somebody locks it
}

// Method returns the direct method of the command. The technician's login is left out if
// it is empty. An open door locks as soon as somebody closes it.
func (c BoltCommand) Method(by string, timeoutSeconds int) (iothub.MethodRequest, error) {
	m := iothub.MethodRequest{MethodName: LockDoor, ResponseTimeoutInSeconds: timeoutSeconds}
	if c.Unlock {
		m.MethodName = UnlockDoor
	}

	payload, err := json.Marshal(struct {
		Reason     string `json:"reason,omitempty"`
		By         string `json:"by,omitempty"`
		ForSeconds int64  `json:"forSeconds,omitempty"`
		Hold       bool   `json:"hold,omitempty"`
		WhenClosed bool   `json:"whenClosed,omitempty"`
	}{c.Reason, by, c.ForSeconds, c.Hold, !c.Unlock})
	if string(payload) != "{}" {
		m.Payload = payload
	}

	return m, err
}

// TwinPatch returns the patch of a job that changes twins. It refuses an empty change and
// names that only the hub sets.
func TwinPatch(desired, tags iothub.Object) (json.RawMessage, error) {
	if len(desired) == 0 && len(tags) == 0 {
		return nil, errors.New("nothing to change; give desired properties or tags")
	}
	for _, section := range []iothub.Object{desired, tags} {
		for name := range section {
			if strings.HasPrefix(name, "$") {
				return nil, fmt.Errorf("%s is reserved for the hub; remove it", name)
			}
		}
	}

	patch := iothub.TwinPatch{ETag: "*", Tags: tags} // IoT Hub requires an etag in the patch of a job
	if len(desired) > 0 {
		patch.Properties = &iothub.TwinPatchProperties{Desired: desired}
	}

	return json.Marshal(patch)
}
