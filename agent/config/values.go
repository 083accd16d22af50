package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Duration is a time span in the notation of Go: "50ms", "4s", "1m30s".
type Duration time.Duration

// UnmarshalTOML reads the duration from a string. It refuses a number without a unit.
func (d *Duration) UnmarshalTOML(value []byte) error {
	text, isString := decodeString(value)
	span, err := time.ParseDuration(text)
	if err != nil || !isString {
		return unstable.NewParserError(value, "%s is not a duration; want a number with a unit, such as \"500ms\" or \"4s\"", value)
	}
	*d = Duration(span)
	return nil
}

// String returns the duration without zero units, for example 4m instead of 4m0s.
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

// LineRef names a GPIO line. In the file, a string is the line's name, and a number is
// the line's offset on its chip.
type LineRef struct {
	Name   string
	Offset int
}

// UnmarshalTOML reads the name or the offset of a GPIO line.
func (l *LineRef) UnmarshalTOML(value []byte) error {
	if name, isString := decodeString(value); isString && name != "" {
		*l = LineRef{Name: name}
		return nil
	}

	offset, err := strconv.ParseUint(string(value), 10, 16)
	if err != nil {
		return unstable.NewParserError(value, "%s is not a line; want its name, such as \"LOCK\", or its offset, such as 17", value)
	}
	*l = LineRef{Offset: int(offset)}
	return nil
}

// decodeString decodes a TOML string with quotes and escapes. isString is false
// for any other value.
func decodeString(value []byte) (text string, isString bool) {
	if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
		return "", false
	}
	var file struct{ Value string }
	err := toml.Unmarshal(append([]byte("Value = "), value...), &file)
	return file.Value, err == nil
}

// valueError describes the invalid value of one key.
type valueError struct {
	key     string // with its table, such as lock.mode
	problem string
}

func (e valueError) Error() string { return e.key + ": " + e.problem }

// checker collects errors about invalid values. It keeps only the first error for each
// key.
type checker struct{ errs []error }

func (k *checker) fail(key, format string, args ...any) {
	if !k.failed(key) {
		k.errs = append(k.errs, valueError{key, fmt.Sprintf(format, args...)})
	}
}

func (k *checker) failed(key string) bool {
	return slices.ContainsFunc(k.errs, func(err error) bool { return err.(valueError).key == key })
}

func (k *checker) required(key, value, want string) {
	if value == "" {
		k.fail(key, "missing; want %s", want)
	}
}

func (k *checker) oneOf(key, value string, allowed ...string) {
	want := `want "` + strings.Join(allowed, `" or "`) + `"`
	switch {
	case value == "":
		k.fail(key, "missing; %s", want)
	case !slices.Contains(allowed, value):
		k.fail(key, "%q is not allowed; %s", value, want)
	}
}

// within checks that a duration is between least and most. note is appended to the
// error.
func (k *checker) within(key string, value Duration, least, most time.Duration, note string) {
	if time.Duration(value) < least || time.Duration(value) > most {
		k.fail(key, "%s is out of range; want %s to %s%s", value, Duration(least), Duration(most), note)
	}
}

func (k *checker) wholeSeconds(key string, value Duration) {
	if time.Duration(value)%time.Second != 0 {
		k.fail(key, "%s is not allowed; want whole seconds", value)
	}
}

// onlyIf adds an error if a key is set although it is not allowed. condition completes
// the error text "allowed only ...".
func (k *checker) onlyIf(key string, given, allowed bool, condition string) {
	if given && !allowed {
		k.fail(key, "allowed only %s; remove it", condition)
	}
}

// address checks that a value is HOST, HOST:PORT or empty.
func (k *checker) address(key, value string) {
	host, port, err := net.SplitHostPort(value)
	if err != nil { // value has no port, or is an IPv6 address without brackets
		host, port = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"), "1"
	}

	number, err := strconv.ParseUint(port, 10, 16)
	if value != "" && (err != nil || number == 0 || host == "" || strings.ContainsAny(host, " /[]")) {
		k.fail(key, "%q is not an address; want HOST or HOST:PORT", value)
	}
}

func (k *checker) maxLength(key string, text *string, most int) {
	if text != nil && utf8.RuneCountInString(*text) > most {
		k.fail(key, "the text is too long; at most %d characters are allowed", most)
	}
}
