// Package actuator is the lock of a door: it moves one, watches its sensor and
// says where it stands. It knows nothing of hubs.
//
// A [Lock] is owned by one goroutine, which feeds events (a command, a reading,
// a moment in time) to a pure state machine and carries out what the machine
// asks for. A [Driver] below it sets the lines and reads the sensors.
//
// What the package promises:
//   - The lock moves only by a command, by a relock that was promised with an
//     unlock, or by what the configuration says for power-on.
//   - The position that it reports is the sensor's where there is one, and is
//     called assumed where there is none.
//   - Nothing waits for the disk before the line is set; nothing is answered
//     before what was answered is on disk.
//   - One command is in motion at a time. The same target joins it; a lock
//     pre-empts an unlock; an unlock during a lock is refused as busy.
package actuator
