package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Operation is IoT Hub's name for the kind of a Change.
type Operation string

// The operations of a Change.
const (
	DeviceCreated      Operation = "createDeviceIdentity"
	DeviceDeleted      Operation = "deleteDeviceIdentity"
	DeviceConnected    Operation = "deviceConnected"
	DeviceDisconnected Operation = "deviceDisconnected"
	TwinUpdated        Operation = "updateTwin"
	TwinReplaced       Operation = "replaceTwin"
)

// Change is a stored change of a device.
type Change struct {
	DeviceID  string
	Operation Operation
	At        time.Time

	// Version is the twin's new version. It is set only for changes of the twin by the
	// service, not for reports by the device.
	Version int64

	// The sections of the twin that changed, as the patches or replacements that were
	// stored. Desired and Reported include their new $version.
	Tags, Desired, Reported iothub.Object
}

// Watch registers a function that receives every change. Call Watch before the first
// write. The store calls the function after the COMMIT on the writer's goroutine, in the
// order of the writes, so the function must not block.
func (s *Store) Watch(watch func(Change)) { s.watch = watch }

// notify passes a change to the function that Watch registered.
func (s *Store) notify(c Change) {
	if s.watch != nil {
		c.At = s.now()
		s.watch(c)
	}
}

// updateThen runs fn like Update. After the COMMIT it calls then on the writer's
// goroutine.
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

// withVersion returns a copy of o with the member $version, or nil if o is nil.
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
