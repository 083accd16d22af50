// Package gpio drives a lock and reads its sensors through the kernel's GPIO
// character device (uAPI v2, Linux 5.10 or later). Use [New] to make a [Driver]
// for an actuator.Lock; use [Release] to idle the outputs after a process has
// ended, and [Check] to look for configuration problems without requesting an output.
//
// Guarantees:
//   - The request of an output line already carries the first level, so the line
//     never shows another level in between.
//   - A line in Hold mode can outlive the process in an [FDStore]. The next
//     process adopts the stored line and writes nothing to it.
//   - Lines in Pulse and Dual modes are never stored. They are idle after
//     [Driver.Close] and after [Release], which the service manager runs after
//     every exit. Closing a line alone guarantees nothing: some GPIO drivers
//     reset the line, others keep driving it.
//   - In Dual mode, the line of one direction is idle before the line of the
//     other direction is energised.
//   - Sensor readings are edge events that the kernel has debounced. If events
//     were lost, the driver reads the level again. If a chip delivers no edges, the
//     driver reads its sensors every [PollInterval] and debounces the readings.
package gpio
