package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits on JSON that the hub embeds in pages for all clients. Json.NET reads at most 64
// levels in a whole page, and Python refuses integers of more than 4,300 digits. One
// value outside the limits would make the whole page unreadable.
const (
	maxLevels = 48 // nesting depth of objects and arrays
	maxDigits = 64 // digits in a number, including its exponent
)

// CheckJSON returns an error unless text is JSON that every client can read as part of a
// page: valid UTF-8, at most 48 levels deep, and with numbers of at most 64 digits.
func CheckJSON(text []byte) error {
	if !json.Valid(text) {
		return errors.New("it is not JSON")
	}
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8")
	}

	level, digits := 0, 0
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString:
			if c == '\\' {
				i++
			}
			inString = c != '"'
			continue
		case c == '"':
			inString = true
		case c == '{', c == '[':
			level++
		case c == '}', c == ']':
			level--
		case c >= '0' && c <= '9':
			digits++
		case c == ',':
			digits = 0
		}

		if level > maxLevels {
			return fmt.Errorf("it is nested more than %d levels deep", maxLevels)
		}
		if digits > maxDigits {
			return fmt.Errorf("it contains a number of more than %d digits", maxDigits)
		}
	}
	return nil
}
