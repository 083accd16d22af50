package trace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one thing that happened to a line.
type Event struct {
	At   time.Duration // on the monotonic clock
	Kind Kind
	// Level is the physical level, of a Set and of an Output.
	Level int
}

// Kind is what happened.
type Kind string

// The kinds of events.
const (
	Set       Kind = "set"       // a process has set the level
	Output    Kind = "output"    // it was made an output
	Input     Kind = "input"     // it was made an input
	Requested Kind = "requested" // somebody took it
	Released  Kind = "released"  // it was given back
	Changed   Kind = "changed"   // its configuration was changed
	Level     Kind = "level"     // the level was seen to be another one
)

// Parse reads one line of the kernel's trace. It returns the global number of the
// GPIO and false for what is no event of interest, such as a level that was read.
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

// seconds reads a time stamp such as 12.345678 without the errors of a float.
func seconds(text string) (time.Duration, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	s, err := strconv.ParseUint(whole, 10, 31)
	if err != nil {
		return 0, err
	}
	if len(fraction) == 0 || len(fraction) > 9 {
		return 0, fmt.Errorf("time stamp %q", text)
	}
	f, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 31)
	if err != nil {
		return 0, err
	}
	return time.Duration(s)*time.Second + time.Duration(f), nil
}

// Edges returns how often a line that was held at level was disturbed: each level
// that was set to another value or seen there, each release, new request or change
// of direction counts. Setting it to the level that it has is none.
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
			// The tracepoint of the level, just before, says what it is driven to.
		default:
			n++
		}
	}
	return n
}

// Longest returns the longest time that the line was active, until the end of the
// observation: from where it was set so to where it was set otherwise or released.
// Whether a release ends it depends on the chip, which the caller knows.
func Longest(active int, releaseEnds bool, events []Event, end time.Duration) time.Duration {
	var longest, since time.Duration
	on := false
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
