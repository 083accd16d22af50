package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/iothub"
)

// Settings are the settings that an operator can change with the twin's desired
// properties. A nil pointer means that a setting has no value.
type Settings struct {
	Building *string
	Floor    *int64
	Room     *string
	// AutoRelockSeconds is the time from an unlock to the automatic relock; 0 disables
	// relocking. A change applies from the next unlock on.
	AutoRelockSeconds int64
	HeldOpenSeconds   int64 // time for which the door may stay open without an alarm; 0 disables the alarm
	TelemetrySeconds  int64 // time between two status messages; 0 disables them
	LogLevel          string
	Lockdown          bool // if true, only an exit input can unlock the door

	// lockdownForbidden makes the agent refuse a lockdown, because it could trap people
	// inside.
	lockdownForbidden bool
}

// property describes a desired property that the agent applies.
type property struct {
	name string
	// set stores value in s. Its error says what is wrong with value.
	set func(s *Settings, value any) error
	// get returns the property's value in s, or nil if the value is not set.
	get func(s Settings) any
}

// properties lists the desired properties that the agent applies.
var properties = []property{
	{"building", func(s *Settings, v any) error { return setText(&s.Building, v) },
		func(s Settings) any { return deref(s.Building) }},
	{"floor", func(s *Settings, v any) error { return setInteger(&s.Floor, v) },
		func(s Settings) any { return deref(s.Floor) }},
	{"room", func(s *Settings, v any) error { return setText(&s.Room, v) },
		func(s Settings) any { return deref(s.Room) }},
	{"autoRelockSeconds", func(s *Settings, v any) error { return setSeconds(&s.AutoRelockSeconds, v) },
		func(s Settings) any { return s.AutoRelockSeconds }},
	{"heldOpenSeconds", func(s *Settings, v any) error { return setSeconds(&s.HeldOpenSeconds, v) },
		func(s Settings) any { return s.HeldOpenSeconds }},
	{"lockdown", setLockdown, func(s Settings) any { return s.Lockdown }},
	{"telemetrySeconds", func(s *Settings, v any) error { return setSeconds(&s.TelemetrySeconds, v) },
		func(s Settings) any { return s.TelemetrySeconds }},
	{"logLevel", func(s *Settings, v any) error { return setLevel(&s.LogLevel, v) },
		func(s Settings) any { return s.LogLevel }},
}

// applied is the result of applying the twin's desired properties.
type applied struct {
	settings Settings      // the current settings: the desired values, or else the defaults
	accepted iothub.Object // desired values that the agent has accepted, by property name
	acks     iothub.Object // acknowledgement to report for each desired property
	ignored  int           // number of desired properties that the agent does not know
}

// apply computes the settings from the defaults and the twin's desired properties. It
// acknowledges each property by the IoT Plug and Play convention. For an invalid value,
// it uses the last accepted value from previous, or else the default.
func apply(defaults Settings, previous, desired iothub.Object) applied {
	result := applied{settings: defaults, accepted: iothub.Object{}, acks: iothub.Object{}}
	version := desired.Version()
	for _, p := range properties {
		value := desired[p.name]
		if value == nil { // the property is not set or was deleted
			continue
		}

		ack := map[string]any{"ac": 200, "av": version}
		err := p.set(&result.settings, value)
		if err != nil {
			ack["ac"], ack["ad"] = ackCode(err), err.Error()
			value = previous[p.name]
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

// ackCode returns the acknowledgement code for a desired value that the agent refused
// with err.
func ackCode(err error) int {
	if errors.Is(err, errLockdownForbidden) {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// restore computes the settings from the defaults and the desired values that the agent
// accepted earlier. The agent uses it until it has read the twin, so it acknowledges
// nothing.
func restore(defaults Settings, accepted iothub.Object) applied {
	result := apply(defaults, nil, accepted)
	result.acks = iothub.Object{}
	return result
}

func isProperty(name string) bool {
	return slices.ContainsFunc(properties, func(p property) bool { return p.name == name })
}

// MaxText is the maximum length of the desired properties building and room, in
// characters.
const MaxText = 128

// setText stores value as a text. It also accepts numbers and booleans, because people
// write {"building": 43} without quotes.
func setText(to **string, value any) error {
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case json.Number, bool:
		text = fmt.Sprint(v)
	default:
		return fmt.Errorf("want a string, not %s", jsonType(value))
	}
	if n := utf8.RuneCountInString(text); n > MaxText {
		return fmt.Errorf("the string has %d characters; at most %d are allowed", n, MaxText)
	}
	*to = &text
	return nil
}

// setInteger stores value as a whole number that a twin can report. A hub accepts larger
// desired numbers if they have a decimal point, but refuses a report of them.
func setInteger(to **int64, value any) error {
	n, err := parseInteger(value)
	if err != nil {
		return err
	}
	if n < iothub.MinInteger || n > iothub.MaxInteger {
		return fmt.Errorf("want a whole number from %d to %d", int64(iothub.MinInteger), int64(iothub.MaxInteger))
	}
	*to = &n
	return nil
}

func setSeconds(to *int64, value any) error {
	n, err := parseInteger(value)
	if err != nil {
		return err
	}
	if most := int64(MaxUnlock.Seconds()); n < 0 || n > most {
		return fmt.Errorf("want 0 (off) to %d seconds, not %d", most, n)
	}
	*to = n
	return nil
}

// errLockdownForbidden is the error for a lockdown that could trap people inside.
var errLockdownForbidden = errors.New("lockdown could trap people: this door has no exit input that unlocks it; " +
	"if people can always leave, set egress = \"mechanical\" in the gateway's configuration")

func setLockdown(s *Settings, value any) error {
	on, ok := value.(bool)
	if !ok {
		return fmt.Errorf("want true or false, not %s", jsonType(value))
	}
	if on && s.lockdownForbidden {
		return errLockdownForbidden
	}
	s.Lockdown = on
	return nil
}

// LogLevels lists the log levels, the most verbose first.
var LogLevels = []string{"debug", "info", "warn", "error"}

func setLevel(to *string, value any) error {
	level, ok := value.(string)
	if !ok {
		return fmt.Errorf("want a string, not %s", jsonType(value))
	}
	if !slices.Contains(LogLevels, level) {
		return fmt.Errorf("want one of %s, not %.40q", strings.Join(LogLevels, ", "), level)
	}
	*to = level
	return nil
}

// parseInteger returns a decoded JSON value as a whole number. It accepts 3.0, because
// some hubs write 3 as 3.0.
func parseInteger(value any) (int64, error) {
	switch v := value.(type) {
	case int64:
		return v, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		if f, err := v.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
		return 0, errors.New("want a whole number")
	}
	return 0, fmt.Errorf("want a whole number, not %s", jsonType(value))
}

// jsonType names the JSON type of a decoded value, for error messages.
func jsonType(value any) string {
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

// deref returns the value to which p points, or nil if p is nil.
func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}
