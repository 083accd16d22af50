// Package actuator drives the lock of one door and watches the door around it.
// It knows nothing of hubs.
//
// Create a [Lock] with [New], start [Lock.Run], and move the bolt with [Lock.Do].
// A [Driver] sets the GPIO lines and reads the sensors; a [Saver] keeps the lock's
// record and its events on disk.
//
// One goroutine owns a Lock. It feeds commands, sensor readings and deadlines to a
// pure state machine and carries out the actions that the machine returns.
//
// Guarantees:
//   - The bolt moves only for a command, a promised lock, an exit input, lockdown,
//     or the configured level at power-on.
//   - Nothing refuses to let people out: an exit input unlocks even during lockdown.
//   - The reported position is the sensor's reading. Without a bolt sensor, the
//     position is called assumed.
//   - The machine sets the line before it writes to disk. It answers a command only
//     after the record and the events of that command are on disk.
//   - The machine performs one motion at a time. A command with the same target joins
//     the motion, a lock pre-empts an unlock, and an unlock during a lock is refused.
package actuator
