package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Operation names the kind of a Change. The values are IoT Hub's names.
type Operation string

// The kinds of changes.
const (
	DeviceCreated      Operation = "createDeviceIdentity"
	DeviceDeleted      Operation = "deleteDeviceIdentity"
	DeviceConnected    Operation = "deviceConnected"
	DeviceDisconnected Operation = "deviceDisconnected"
	TwinUpdated        Operation = "updateTwin"
	TwinReplaced       Operation = "replaceTwin"
)

// Change describes a committed change of a device.
type Change struct {
	DeviceID  string
	Operation Operation
	At        time.Time

	// Version is the new version of the twin after a change by a service. It is not set
	// if the device changed the twin.
	Version int64

	// The changed sections of the twin: the patch or the replacement. Desired and
	// Reported include their new $version.
	Tags, Desired, Reported iothub.Object
}

// Watch registers a function that receives every change of a device after its commit.
// Call Watch before the first write. The store calls the function in the order of the
// writes. While the function runs, no write can be committed, so it must not block.
func (s *Store) Watch(watch func(Change)) { s.watch = watch }

// notify passes a change to the function that Watch registered.
func (s *Store) notify(c Change) {
	if s.watch != nil {
		c.At = s.now()
		s.watch(c)
	}
}

// updateThen runs fn as a durable write, like Update. After the commit it calls then, on
// the goroutine that commits all writes.
func (s *Store) updateThen(ctx context.Context, fn func(tx *sql.Tx) error, then func()) error {
	result := make(chan error, 1)
	s.UpdateAsync(func(tx *sql.Tx) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(tx)
	}, func(err error) {
		if err == nil {
			then()
		}
		result <- err
	})
	return <-result
}

// withVersion returns a copy of o with $version added. It returns nil if o is nil.
func withVersion(o iothub.Object, version int64) iothub.Object {
	if o == nil {
		return nil
	}
	c := make(iothub.Object, len(o)+1)
	for k, v := range o {
		c[k] = v
	}
	c["$version"] = version
	return c
}
