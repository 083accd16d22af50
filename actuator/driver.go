package actuator

// Driver sets the lines of one lock and reads its sensor. A Lock calls Drive
// from one goroutine only.
type Driver interface {
	// Drive sets the lines so that the bolt goes to target, and returns once
	// they are set, without waiting for the bolt.
	Drive(target Position) error
	// Bolt delivers the bolt sensor's readings, Locked or Unlocked, the present
	// one first. It is nil if there is no sensor, and never closed.
	Bolt() <-chan Position
	// Close releases the lines.
	Close() error
}

// Journal keeps a lock's record. Save returns at once and calls done, in the
// order of the calls, when the record or a later one is on disk or could not be
// written.
type Journal interface {
	Save(record Record, done func(error))
}
