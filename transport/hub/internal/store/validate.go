package store

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/latchd/latchd/transport/iothub"
)

// Limits on a twin, most of them from IoT Hub's documentation. A section's size is the
// sum of these sizes:
//
//   - names and strings: their bytes, without control characters
//   - numbers: 8 bytes each
//   - booleans: 4 bytes each
const (
	maxTags     = 8 << 10  // size in bytes
	maxDesired  = 32 << 10 // size in bytes
	maxReported = 32 << 10 // size in bytes
	maxName     = 1 << 10  // bytes in a name
	maxString   = 4 << 10  // bytes in a string
	maxLevels   = 10       // nesting depth of objects and arrays
	maxDigits   = 64       // digits in a number; IoT Hub documents no limit

	// maxJSONFactor limits the JSON text of a section to this multiple of the section's
	// maximum size. A limit on the size alone does not limit the text, because control
	// characters, null, empty arrays and long numbers add little or nothing to the size.
	maxJSONFactor = 8

	// maxStoredFactor limits the JSON text of a section together with its $metadata to
	// this multiple of the section's maximum size. IoT Hub's size does not include the
	// metadata, which takes about 50 to 80 bytes for each property.
	maxStoredFactor = 16
)

// withoutSystemMembers returns the object without $metadata and $version. The hub adds
// these members to twins, and clients often send them back.
func withoutSystemMembers(o iothub.Object) iothub.Object {
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

// nullRule says why a null is refused, in words that follow "is null". The empty rule
// allows null, which removes a property.
type nullRule string

const (
	nullRemoves       nullRule = ""
	nullInReplacement nullRule = "leave the property out to remove it, because null is not allowed in a replacement"
	nullInArray       nullRule = "null is not allowed in an array"
)

// checkSection returns an error if the patch contains a name or a value that a twin
// cannot hold, or a null that the rule refuses. The error says where in the patch it is.
func checkSection(name string, patch iothub.Object, nulls nullRule) error {
	return checkObject(name, patch, 0, nulls)
}

// checkObject checks the object at path. level is the number of enclosing objects and
// arrays.
func checkObject(path string, o map[string]any, level int, nulls nullRule) error {
	if level > maxLevels {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is nested too deep: at most %d levels are allowed", path, maxLevels)
	}
	for k, v := range o {
		if err := checkName(path, k); err != nil {
			return err
		}
		if err := checkValue(path+"."+k, v, level, nulls); err != nil {
			return err
		}
	}
	return nil
}

// checkName checks the name of a property. path is the path of the object that contains
// the property.
func checkName(path, name string) error {
	if name == "" {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has a property with an empty name", path)
	}
	if len(name) > maxName {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has a name of %d bytes: at most %d are allowed", path, len(name), maxName)
	}
	for _, r := range name {
		if r == '.' || r == '$' || r == ' ' || unicode.IsControl(r) {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has the name %q: the character %q is not allowed in names", path, name, r)
		}
	}
	return nil
}

// checkValue checks the JSON value at path. level is the number of enclosing objects and
// arrays.
func checkValue(path string, v any, level int, nulls nullRule) error {
	switch v := v.(type) {
	case nil:
		if nulls != nullRemoves {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is null: %s", path, nulls)
		}
		return nil
	case bool:
		return nil
	case string:
		if len(v) > maxString {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is a string of %d bytes: at most %d are allowed", path, len(v), maxString)
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
			return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is nested too deep: at most %d levels are allowed", path, maxLevels)
		}
		for i, element := range v {
			if err := checkValue(path+"["+strconv.Itoa(i)+"]", element, level+1, nullInArray); err != nil {
				return err
			}
		}
		return nil
	}

	if o, ok := asMap(v); ok {
		return checkObject(path, o, level+1, nulls)
	}
	return iothub.Errorf(iothub.CodeArgumentInvalid, "%s has the Go type %T, which is not a JSON value", path, v)
}

// checkNumber checks the range of the number at path.
func checkNumber(path, number string) error {
	digits := len(number) - strings.Count(number, "-") - strings.Count(number, "+") - strings.Count(number, ".")
	f, err := strconv.ParseFloat(number, 64)
	switch {
	case digits > maxDigits:
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is a number of %d digits: at most %d are allowed", path, digits, maxDigits)
	case err != nil || math.IsInf(f, 0) || math.IsNaN(f):
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is a number that is too large", path)
	case strings.ContainsAny(number, ".eE"):
		return nil
	case f > iothub.MaxInteger || f < iothub.MinInteger:
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s is %s: an integer must be from %d to %d", path, number, int64(iothub.MinInteger), int64(iothub.MaxInteger))
	}
	return nil
}

// textSize returns the size of a JSON text according to IoT Hub's rules. Like the
// functions in splice.go, it needs valid JSON without spaces between tokens. It does not
// decode the text, because that would take most of the time of a small report.
func textSize(text string) int {
	n := 0
	for len(text) > 0 {
		length := 1
		switch c := text[0]; c {
		case '"':
			length = stringLength(text)
			n += literalSize(text[:length])
		case '{', '}', '[', ']', ',', ':':
		case 'n': // null
			length = len("null")
		case 't', 'f':
			length = valueLength(text)
			n += 4
		default:
			n += 8
			if length = strings.IndexAny(text, ",}]"); length < 0 {
				length = len(text)
			}
		}
		text = text[length:]
	}
	return n
}

// literalSize returns the size of a JSON string in quotes.
func literalSize(literal string) int {
	for _, c := range []byte(literal) {
		if c == '\\' || c >= 0x7f {
			text, _ := unquote(literal)
			return stringSize(text)
		}
	}
	return len(literal) - len(`""`)
}

// stringSize returns the number of bytes in s, not counting control characters.
func stringSize(s string) int {
	n := len(s)
	for _, r := range s {
		if unicode.IsControl(r) {
			n -= len(string(r))
		}
	}
	return n
}
