// Package trace reads what the kernel's GPIO tracepoints say of a line, and tells
// edges and pulses from it.
//
// A level that is polled misses glitches, and a line that is released at the level
// of its pull looks untouched. So the evidence is of three kinds: the tracepoints
// gpio_value and gpio_direction, which show what a process sets; the line's info
// events, which show that it was released or requested anew; and its level.
package trace
