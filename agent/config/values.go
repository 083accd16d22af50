package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Duration is a time span as Go writes it: "50ms", "4s", "1m30s".
type Duration time.Duration

// UnmarshalTOML reads the span from a string. A bare number has no unit: 4 would
// be taken for 4 ns.
func (d *Duration) UnmarshalTOML(value []byte) error {
	text := strings.Trim(string(value), `"'`)
	span, err := time.ParseDuration(text)
	if err != nil || text == string(value) {
		return unstable.NewParserError(value, "%s is not a time span; want a number with a unit, such as \"500ms\" or \"4s\"", value)
	}
	*d = Duration(span)
	return nil
}

// String writes the span as it stands in the file.
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// LineRef names a GPIO line: a string is its name, a number its offset.
type LineRef struct {
	Name   string
	Offset int
}

// UnmarshalTOML reads the line.
func (l *LineRef) UnmarshalTOML(value []byte) error {
	text := string(value)
	if name := strings.Trim(text, `"'`); name != text && name != "" {
		*l = LineRef{Name: name}
		return nil
	}
	offset, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return unstable.NewParserError(value, "%s is not a line; want its name, such as \"LOCK\", or its offset, such as 17", value)
	}
	*l = LineRef{Offset: int(offset)}
	return nil
}

// valueError is what is wrong with one key's value.
type valueError struct {
	key     string // with its tables, dotted
	problem string
}

func (e valueError) Error() string { return e.key + ": " + e.problem }

// checker collects what is wrong, of each key the first thing.
type checker struct{ errs []error }

func (c *checker) fail(key, format string, args ...any) {
	if !c.failed(key) {
		c.errs = append(c.errs, valueError{key, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) failed(key string) bool {
	return slices.ContainsFunc(c.errs, func(err error) bool { return err.(valueError).key == key })
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
		c.fail(key, "%s is not possible; want %s to %s%s", value, Duration(least), Duration(most), why)
	}
}

// onlyFor is for a key that some other choice rules out.
func (c *checker) onlyFor(key string, given, allowed bool, choice string) {
	if given && !allowed {
		c.fail(key, "it is only for %s; remove it", choice)
	}
}

// address is for HOST and HOST:PORT; it may be empty.
func (c *checker) address(key, value string) {
	host, port, err := net.SplitHostPort(value)
	if err != nil { // no port, or a bare IPv6 address
		host, port = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"), "1"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if value != "" && (err != nil || number == 0 || host == "" || strings.ContainsAny(host, " /[]")) {
		c.fail(key, "%q is not possible; want HOST or HOST:PORT", value)
	}
}

func (c *checker) short(key string, text *string, most int) {
	if text != nil && utf8.RuneCountInString(*text) > most {
		c.fail(key, "the text has over %d characters", most)
	}
}
