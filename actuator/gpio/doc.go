// Package gpio drives a lock and reads its sensors over the kernel's GPIO
// character device (uAPI v2, Linux 5.10 or later). It implements
// [actuator.Driver].
//
// What the package promises:
//   - An output's first level is part of the request itself: there is no moment
//     in between at which the line is an output at another level.
//   - A line of Hold can be kept open beyond the process's life by a [Keeper]. It
//     is then taken as it is, and nothing is written.
//   - Lines of Pulse and Dual are never kept, and are idle after Close and after
//     [Release], which a service manager runs after every kind of end. What a
//     chip does with a line that is closed differs from driver to driver, so
//     nothing relies on it.
//   - In Dual the line of one direction is idle before the other is energised.
//   - Sensors are edge events that the kernel has debounced; where an edge was
//     lost the level is read again.
package gpio
