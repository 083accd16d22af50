package store

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/latchd/latchd/transport/iothub"
)

// Bounds of a twin, from IoT Hub's documentation. Sizes are counted as it says:
// names and texts by their bytes without control characters, numbers as 8 and
// booleans as 4 bytes.
const (
	maxTags     = 8 << 10
	maxDesired  = 32 << 10
	maxReported = 32 << 10
	maxName     = 1 << 10
	maxText     = 4 << 10
	maxLevels   = 10
	maxInteger  = 4503599627370495
	minInteger  = -4503599627370496

	// maxSpread is how many times the size that counts a section's JSON can take.
	// The documentation counts nothing for control characters, null and empty
	// arrays, and 8 bytes for a number of any length.
	maxSpread = 8
)

// withoutSystem returns the object without the members that the hub itself adds,
// for clients send back what they have read.
func withoutSystem(o iothub.Object) iothub.Object {
	_, metadata := o["$metadata"]
	_, version := o["$version"]
	if !metadata && !version {
		return o
	}
	plain := make(iothub.Object, len(o))
	for k, v := range o {
		if k != "$metadata" && k != "$version" {
			plain[k] = v
		}
	}
	return plain
}

// checkSection reports what in a patch cannot stand in a twin. The message names
// the place.
func checkSection(name string, patch iothub.Object) error {
	return checkObject(name, patch, 0)
}

func checkObject(path string, o map[string]any, level int) error {
	if level > maxLevels {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is nested too deep, at most %d levels are allowed", path, maxLevels)
	}
	for k, v := range o {
		if err := checkName(path, k); err != nil {
			return err
		}
		if err := checkValue(path+"."+k, v, level); err != nil {
			return err
		}
	}
	return nil
}

func checkName(path, name string) error {
	if name == "" {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has a property with an empty name", path)
	}
	if len(name) > maxName {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has a name of %d bytes, at most %d are allowed", path, len(name), maxName)
	}
	for _, r := range name {
		if r == '.' || r == '$' || r == ' ' || unicode.IsControl(r) {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has the name %q, in which %q is not allowed", path, name, r)
		}
	}
	return nil
}

func checkValue(path string, v any, level int) error {
	switch v := v.(type) {
	case nil, bool:
		return nil
	case string:
		if len(v) > maxText {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is a text of %d bytes, at most %d are allowed", path, len(v), maxText)
		}
		return nil
	case json.Number:
		return checkNumber(path, string(v))
	case int:
		return checkNumber(path, strconv.Itoa(v))
	case int64:
		return checkNumber(path, strconv.FormatInt(v, 10))
	case float64:
		return checkNumber(path, strconv.FormatFloat(v, 'g', -1, 64))
	case []any:
		if level >= maxLevels {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is nested too deep, at most %d levels are allowed", path, maxLevels)
		}
		for i, element := range v {
			if err := checkValue(path+"["+strconv.Itoa(i)+"]", element, level+1); err != nil {
				return err
			}
		}
		return nil
	}
	if o, ok := asMap(v); ok {
		return checkObject(path, o, level+1)
	}
	return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is of type %T, want a JSON value", path, v)
}

func checkNumber(path, number string) error {
	f, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || math.IsInf(f, 0) || math.IsNaN(f):
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is a number that is too large", path)
	case strings.ContainsAny(number, ".eE"):
		return nil
	case f > maxInteger || f < minInteger:
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is %s, an integer can be %d to %d", path, number, int64(minInteger), int64(maxInteger))
	}
	return nil
}

// size counts what the limits bound.
func size(v any) int {
	switch v := v.(type) {
	case bool:
		return 4
	case string:
		return textSize(v)
	case []any:
		n := 0
		for _, element := range v {
			n += size(element)
		}
		return n
	case nil:
		return 0
	}
	o, ok := asMap(v)
	if !ok {
		return 8
	}
	n := 0
	for k, member := range o {
		n += textSize(k) + size(member)
	}
	return n
}

func textSize(s string) int {
	n := len(s)
	for _, r := range s {
		if unicode.IsControl(r) {
			n -= len(string(r))
		}
	}
	return n
}
