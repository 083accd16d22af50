package trace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one event of a GPIO line.
type Event struct {
	At   time.Duration // time of the event on the monotonic clock
	Kind Kind
	// Level is the physical level of the line, 0 or 1. Only events of the kinds Set and
	// Level have it.
	Level int
}

// Kind says what happened to the GPIO line.
type Kind string

// The kinds of events.
const (
	Set       Kind = "set"       // a process set the level
	Output    Kind = "output"    // the line became an output
	Input     Kind = "input"     // the line became an input
	Requested Kind = "requested" // a process requested the line
	Released  Kind = "released"  // a process released the line
	Changed   Kind = "changed"   // a process changed the line's configuration
	Level     Kind = "level"     // polling found a changed level
)

// Parse parses one line of text from the kernel's trace and returns the GPIO's global
// number and the event. It returns false for all other text, for example if a process
// only read the level. The two formats are:
//
//	latchd-251     [000] .....    12.345678: gpio_value: 504 set 1
//	latchd-251     [000] .....    12.345678: gpio_direction: 504 out (0)
//
// Source: include/trace/events/gpio.h of Linux 6.1.
func Parse(line string) (gpio int, e Event, ok bool) {
	head, rest, found := strings.Cut(line, ": gpio_")
	if !found {
		return 0, Event{}, false
	}
	fields := strings.Fields(head)
	words := strings.Fields(rest)
	if len(fields) == 0 || len(words) != 4 {
		return 0, Event{}, false
	}

	at, err := seconds(fields[len(fields)-1])
	if err != nil {
		return 0, Event{}, false
	}
	gpio, err = strconv.Atoi(words[1])
	if err != nil || gpio < 0 {
		return 0, Event{}, false
	}

	switch {
	case words[0] == "value:" && words[2] == "set" && (words[3] == "0" || words[3] == "1"):
		return gpio, Event{At: at, Kind: Set, Level: int(words[3][0] - '0')}, true
	case words[0] == "direction:" && words[3] == "(0)" && words[2] == "out":
		return gpio, Event{At: at, Kind: Output}, true
	case words[0] == "direction:" && words[3] == "(0)" && words[2] == "in":
		return gpio, Event{At: at, Kind: Input}, true
	}
	return 0, Event{}, false
}

// seconds parses a timestamp such as 12.345678 exactly, without rounding errors.
func seconds(text string) (time.Duration, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	s, err := strconv.ParseUint(whole, 10, 31)
	if err != nil {
		return 0, err
	}

	if len(fraction) == 0 || len(fraction) > 9 {
		return 0, fmt.Errorf("invalid timestamp %q", text)
	}
	f, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 31)
	if err != nil {
		return 0, err
	}
	return time.Duration(s)*time.Second + time.Duration(f), nil
}

// Edges counts the disturbances of a line that starts at the given level and should
// keep it. A disturbance is a change of the level, a release, a request, a change of
// the configuration, or a change to an input. Setting the level that the line already
// has is not a disturbance.
func Edges(level int, events []Event) int {
	n := 0
	for _, e := range events {
		switch e.Kind {
		case Set, Level:
			if e.Level != level {
				n++
			}
			level = e.Level
		case Output:
			// The level of the output is in the Set event just before this event.
		default:
			n++
		}
	}
	return n
}

// Longest returns the length of the longest pulse: the time for which a process kept
// the line at the level active. A pulse ends when a process sets the other level or
// makes the line an input, or when the recording ends at the time end. Set releaseEnds
// for chips that stop driving a line when it is released.
func Longest(active int, releaseEnds bool, events []Event, end time.Duration) time.Duration {
	var longest, since time.Duration
	on := false // whether the line has been active since the time in since
	stop := func(at time.Duration) {
		if on {
			longest = max(longest, at-since)
		}
		on = false
	}

	for _, e := range events {
		switch {
		case e.Kind == Set && e.Level == active:
			if !on {
				on, since = true, e.At
			}
		case e.Kind == Set, e.Kind == Input, e.Kind == Released && releaseEnds:
			stop(e.At)
		}
	}
	stop(end)
	return longest
}
