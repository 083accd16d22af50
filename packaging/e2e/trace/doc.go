// Package trace evaluates the events of a GPIO line and finds edges and pulses in them.
// Use [Parse] to read the kernel's trace, then [Edges] or [Longest].
//
// Polling the level of a line is not enough: it misses glitches, and it cannot show the
// release of a line whose pull has the same level. The package therefore combines three
// kinds of events:
//   - The tracepoints gpio_value and gpio_direction show what processes set.
//   - Line info events show that a process released or requested the line.
//   - Changes of the polled level show everything else, such as the effect of a pull.
package trace
