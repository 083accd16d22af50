package audit

import (
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/logtext"
)

// Message is the message of every entry.
const Message = "change by a service client"

// Done is the result of a change that the hub has made.
const Done = "done"

// maxIDs is the size, in bytes, at which the list of ids in an entry ends.
const maxIDs = 2048

// Client is a client of the service API.
type Client struct {
	Policy  string // shared access policy whose key signed the client's token
	Address string // HOST:PORT
}

// Kind is the kind of thing that a change affects. It is the beginning of a key in the
// log, such as device_id.
type Kind string

// The kinds of things that clients change.
const (
	Device     Kind = "device"
	Job        Kind = "job"
	Enrollment Kind = "enrollment"
	Authority  Kind = "authority"
	Policy     Kind = "policy"
)

// Change is what a client changed or tried to change. Empty fields do not apply.
type Change struct {
	Action string   // what the client did, such as "delete device"
	Kind   Kind     // kind of the things in IDs
	IDs    []string // changed things
	more   int      // number of changed things that are not in IDs

	Method    string // direct method that the client or its job calls
	Status    int    // status in the device's answer to the method
	Condition string // condition that selects the devices of a job

	Result string // Done, or the code of the error
}

// general returns the change without the details that a client can vary at will: the
// method, its status and the code of the error.
func (c Change) general() Change {
	c.Status = 0
	if c.Method != "" {
		c.Method = "several"
	}
	if c.Result != Done {
		c.Result = "refused"
	}
	return c
}

// fields returns the fields of a log entry. All texts in them are cut.
func (c Change) fields() []zap.Field {
	fields := []zap.Field{zap.String("change", logtext.Cut(c.Action))}

	switch affected := len(c.IDs) + c.more; affected {
	case 0:
	case 1:
		fields = append(fields, zap.String(string(c.Kind)+"_id", logtext.Cut(c.IDs[0])))
	default:
		fields = append(fields, zap.Int("affected", affected), zap.Strings(string(c.Kind)+"_ids", cutIDs(c.IDs)))
	}

	if c.Method != "" {
		fields = append(fields, zap.String("method", logtext.Cut(c.Method)))
	}
	if c.Status != 0 {
		fields = append(fields, zap.Int("status", c.Status))
	}
	if c.Condition != "" {
		fields = append(fields, zap.String("condition", logtext.Cut(c.Condition)))
	}
	return append(fields, zap.String("result", c.Result))
}

// cutIDs returns the first ids, with at most maxIDs bytes.
func cutIDs(ids []string) []string {
	var kept []string
	size := 0
	for _, id := range ids {
		id = logtext.Cut(id)
		if size += len(id); size > maxIDs {
			break
		}
		kept = append(kept, id)
	}
	return kept
}
