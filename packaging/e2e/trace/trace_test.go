package trace

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		gpio int
		e    Event
		ok   bool
	}{
		"          latchd-251     [000] .....    12.345678: gpio_value: 504 set 1":        {504, Event{12345678 * time.Microsecond, Set, 1}, true},
		"          latchd-251     [001] d..1.     0.000001: gpio_value: 0 set 0":          {0, Event{time.Microsecond, Set, 0}, true},
		"          latchd-251     [000] .....    12.345679: gpio_direction: 504 out (0)":  {504, Event{12345679 * time.Microsecond, Output, 0}, true},
		"          latchd-251     [000] .....    12.345679: gpio_direction: 504  in (0)":  {504, Event{12345679 * time.Microsecond, Input, 0}, true},
		"          latchd-251     [000] .....    12.345679: gpio_direction: 504 out (-5)": {}, // a change that failed
		"          latchd-251     [000] .....    12.345678: gpio_value: 504 get 1":        {}, // a process read the level and did not set it
		" a name: with-1     [000] .....    12.345678: gpio_value: 504 set 1":             {504, Event{12345678 * time.Microsecond, Set, 1}, true},
		"CPU:0 [LOST 12 EVENTS]": {},
		"":                       {},
		"x: gpio_value: 1 set 1": {},
	} {
		gpio, e, ok := Parse(line)
		if gpio != want.gpio || e != want.e || ok != want.ok {
			t.Errorf("%q: %d %+v %v, want %+v", line, gpio, e, ok, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("          latchd-251     [000] .....    12.345678: gpio_value: 504 set 1")
	f.Add("x 1.5: gpio_direction: 3  in (0)")
	f.Fuzz(func(t *testing.T, line string) {
		gpio, e, ok := Parse(line)
		if ok && (gpio < 0 || e.At < 0 || e.Level < 0 || e.Level > 1) {
			t.Errorf("%q: %d %+v", line, gpio, e)
		}
	})
}

func TestEdges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		level  int
		events []Event
		want   int
	}{
		"nothing":                {1, nil, 0},
		"set to the same level":  {1, []Event{{0, Set, 1}}, 0},
		"glitch":                 {1, []Event{{0, Set, 0}, {1, Set, 1}}, 2},
		"released":               {1, []Event{{0, Released, 0}}, 1},
		"released and requested": {1, []Event{{0, Released, 0}, {1, Requested, 0}, {1, Set, 1}, {1, Output, 0}}, 2},
		"fell to its pull":       {1, []Event{{0, Released, 0}, {1, Level, 0}}, 2},
		"became an input":        {0, []Event{{0, Input, 0}}, 1},
		"reconfigured":           {0, []Event{{0, Changed, 0}}, 1},
	} {
		if got := Edges(tc.level, tc.events); got != tc.want {
			t.Errorf("%s: %d edges, want %d", name, got, tc.want)
		}
	}
}

func TestLongest(t *testing.T) {
	t.Parallel()
	const s = time.Second
	pulse := []Event{{s, Set, 1}, {2 * s, Set, 1}, {4 * s, Set, 0}, {5 * s, Set, 1}, {6 * s, Released, 0}}
	for name, tc := range map[string]struct {
		releaseEnds bool
		events      []Event
		want        time.Duration
	}{
		"nothing":                 {true, nil, 0},
		"longest of two pulses":   {true, pulse, 3 * s},
		"release does not end it": {false, pulse, 5 * s}, // the pulse lasts until the observation ends at 10 s
		"active until the end":    {true, pulse[:1], 9 * s},
		"became an input":         {false, []Event{{s, Set, 1}, {3 * s, Input, 0}}, 2 * s},
	} {
		if got := Longest(1, tc.releaseEnds, tc.events, 10*s); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
