package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/iothub"
)

// Settings are what a technician may set by desired properties. A nil value is
// not set.
type Settings struct {
	Building          *string
	Floor             *int64
	Room              *string
	AutoRelockSeconds int64 // from the next unlock on; 0 is never
	TelemetrySeconds  int64 // between two messages that say where the door stands; 0 is never
	LogLevel          string
}

// property is a desired property that the agent follows.
type property struct {
	name string
	// set puts the value into s, or says what is wrong with it.
	set func(s *Settings, value any) error
	// get returns the value in force, nil if there is none.
	get func(s Settings) any
}

// properties are the desired properties that the agent follows, in the order in
// which they are reported.
var properties = []property{
	{"building", func(s *Settings, v any) error { return setText(&s.Building, v) },
		func(s Settings) any { return valueOf(s.Building) }},
	{"floor", func(s *Settings, v any) error { return setInteger(&s.Floor, v) },
		func(s Settings) any { return valueOf(s.Floor) }},
	{"room", func(s *Settings, v any) error { return setText(&s.Room, v) },
		func(s Settings) any { return valueOf(s.Room) }},
	{"autoRelockSeconds", func(s *Settings, v any) error { return setSeconds(&s.AutoRelockSeconds, v) },
		func(s Settings) any { return s.AutoRelockSeconds }},
	{"telemetrySeconds", func(s *Settings, v any) error { return setSeconds(&s.TelemetrySeconds, v) },
		func(s Settings) any { return s.TelemetrySeconds }},
	{"logLevel", func(s *Settings, v any) error { return setLevel(&s.LogLevel, v) },
		func(s Settings) any { return s.LogLevel }},
}

// applied is what a set of desired properties makes.
type applied struct {
	settings Settings      // in force
	accepted iothub.Object // the desired values that are in force, by property
	acks     iothub.Object // what is reported of each property that is desired
	ignored  int           // desired properties that are not the agent's
}

// apply lays desired over the defaults and acknowledges each property by the
// Plug and Play convention. Where a value is refused, the one accepted before
// stays in force, or the default.
func apply(defaults Settings, before, desired iothub.Object) applied {
	result := applied{settings: defaults, accepted: iothub.Object{}, acks: iothub.Object{}}
	version := desired.Version()
	for _, p := range properties {
		value := desired[p.name]
		if value == nil { // not set, or deleted
			continue
		}
		ack := map[string]any{"ac": 200, "av": version}
		err := p.set(&result.settings, value)
		if err != nil {
			ack["ac"], ack["ad"] = 400, err.Error()
			value = before[p.name]
			err = p.set(&result.settings, value)
		}
		if err == nil {
			result.accepted[p.name] = value
		}
		if inForce := p.get(result.settings); inForce != nil {
			ack["value"] = inForce
		}
		result.acks[p.name] = ack
	}
	for name := range desired {
		if name != "$version" && !isProperty(name) {
			result.ignored++
		}
	}
	return result
}

// restore lays values that were accepted before over the defaults.
func restore(defaults Settings, accepted iothub.Object) applied {
	result := apply(defaults, nil, accepted)
	result.acks = iothub.Object{} // until the twin has been read
	return result
}

func isProperty(name string) bool {
	for _, p := range properties {
		if p.name == name {
			return true
		}
	}
	return false
}

// MaxText is the most characters that building and room may have.
const MaxText = 128

func setText(to **string, value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("want a string, not %s", kindOf(value))
	}
	if n := utf8.RuneCountInString(text); n > MaxText {
		return fmt.Errorf("the string has %d characters; at most %d are allowed", n, MaxText)
	}
	*to = &text
	return nil
}

func setInteger(to **int64, value any) error {
	n, err := integer(value)
	if err != nil {
		return err
	}
	*to = &n
	return nil
}

func setSeconds(to *int64, value any) error {
	n, err := integer(value)
	if err != nil {
		return err
	}
	if most := int64(MaxUnlock.Seconds()); n < 0 || n > most {
		return fmt.Errorf("want 0 (never) to %d seconds, not %d", most, n)
	}
	*to = n
	return nil
}

// LogLevels are the levels of the log, the most talkative first.
var LogLevels = []string{"debug", "info", "warn", "error"}

func setLevel(to *string, value any) error {
	level, ok := value.(string)
	if !ok {
		return fmt.Errorf("want a string, not %s", kindOf(value))
	}
	if !slices.Contains(LogLevels, level) {
		return fmt.Errorf("want one of %s, not %.40q", strings.Join(LogLevels, ", "), level)
	}
	*to = level
	return nil
}

func integer(value any) (int64, error) {
	switch v := value.(type) {
	case int64:
		return v, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		// A hub may write 3 as 3.0.
		if f, err := v.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
		return 0, errors.New("want a whole number")
	}
	return 0, fmt.Errorf("want a whole number, not %s", kindOf(value))
}

func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	}
	return fmt.Sprintf("%T", value)
}

func valueOf[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}
