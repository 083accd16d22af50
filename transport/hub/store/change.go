package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Operation is what has happened to a device, as IoT Hub names it.
type Operation string

// The operations that changes tell of.
const (
	DeviceCreated      Operation = "createDeviceIdentity"
	DeviceDeleted      Operation = "deleteDeviceIdentity"
	DeviceConnected    Operation = "deviceConnected"
	DeviceDisconnected Operation = "deviceDisconnected"
	TwinUpdated        Operation = "updateTwin"
	TwinReplaced       Operation = "replaceTwin"
)

// Change is something that has been stored of a device.
type Change struct {
	DeviceID  string
	Operation Operation
	At        time.Time

	// Of a twin: what was laid over it, or put in its place, each with its
	// $version; and the version of all of it, 0 for a report.
	Version                 int64
	Tags, Desired, Reported iothub.Object
}

// Watch has each change told to watch, after the COMMIT, on the writer's
// goroutine: in the order of the writes, and it must not block. Call it before the
// first write.
func (s *Store) Watch(watch func(Change)) { s.watch = watch }

// tell tells of a change of now.
func (s *Store) tell(c Change) {
	if s.watch != nil {
		c.At = s.now()
		s.watch(c)
	}
}

// updateThen is Update, with then called after the COMMIT on the writer's goroutine.
func (s *Store) updateThen(ctx context.Context, fn func(tx *sql.Tx) error, then func()) error {
	answer := make(chan error, 1)
	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(tx)
	}, func(err error) {
		if err == nil {
			then()
		}
		answer <- err
	})
	return <-answer
}

// versioned is a copy of o with its $version.
func versioned(o iothub.Object, version int64) iothub.Object {
	if o == nil {
		return nil
	}
	with := make(iothub.Object, len(o)+1)
	for k, v := range o {
		with[k] = v
	}
	with["$version"] = version
	return with
}
