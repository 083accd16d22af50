// Package trace evaluates the events of a GPIO line and finds edges and pulses in them.
// Use [Parse] to read the kernel's trace, then [Edges] or [Longest].
//
// Polling a level misses glitches, and a line that is released at the level of its pull
// looks unchanged. The package therefore combines three kinds of events:
//   - the tracepoints gpio_value and gpio_direction show what processes set
//   - line info events show that the line was released or requested
//   - changes of the polled level show everything else, such as the effect of a pull
package trace
