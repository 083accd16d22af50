package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/actuator/mock"
)

// Duration is a time span as Go writes it: "50ms", "4s", "1m30s".
type Duration time.Duration

// UnmarshalText reads the span.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a time span; want a number with a unit, such as \"500ms\" or \"4s\"", text)
	}
	*d = Duration(span)
	return nil
}

// String writes the span as it stands in the file.
func (d Duration) String() string { return time.Duration(d).String() }

// valueError is what is wrong with one key's value.
type valueError struct {
	key     string // with its tables, dotted
	problem string
}

func (e valueError) Error() string { return e.key + ": " + e.problem }

// checker collects the first thing that is wrong.
type checker struct{ err error }

func (c *checker) fail(key, format string, args ...any) {
	if c.err == nil {
		c.err = valueError{key, fmt.Sprintf(format, args...)}
	}
}

func (c *checker) required(key, value, example string) {
	if value == "" {
		c.fail(key, "it is missing; want %s", example)
	}
}

func (c *checker) oneOf(key, value string, allowed ...string) {
	want := `want "` + strings.Join(allowed, `" or "`) + `"`
	switch {
	case value == "":
		c.fail(key, "it is missing; %s", want)
	case !slices.Contains(allowed, value):
		c.fail(key, "%q is not possible; %s", value, want)
	}
}

func (c *checker) within(key string, value Duration, least, most time.Duration, why string) {
	if time.Duration(value) < least || time.Duration(value) > most {
		c.fail(key, "%s is not possible; want %s to %s%s", value, least, most, why)
	}
}

func faultNames() []string {
	names := []string{"none"}
	for _, fault := range mock.Faults {
		names = append(names, string(fault))
	}
	return names
}
