package iothub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ReadJSON parses the body of a request to the service API into value, a pointer to a
// struct or a slice. IoT Hub reads bodies with Json.NET, and clients rely on its
// leniency. ReadJSON therefore differs from [json.Unmarshal]:
//
//   - Numbers and booleans may be given as text, such as "30" and "True".
//   - Times may lack a time zone; they are in UTC.
//   - Enumerations may be in any case. Unknown values are errors.
//   - An empty text leaves a number, boolean, time or enumeration unchanged.
//
// Member names may be in any case; when a member occurs twice, the last one counts.
// Payloads, tags and properties are not typed: ReadJSON passes them on as they are. An
// error names the member and its value.
func ReadJSON(text []byte, value any) error {
	var raw json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	return readValue("", raw, reflect.ValueOf(value).Elem())
}

// ReadParameter parses the text of a query parameter or header into value, a pointer to
// a number, boolean, time, enumeration or string. It is as lenient as [ReadJSON]. name is
// the parameter's name for the error.
func ReadParameter(name, text string, value any) error {
	if err := readText(text, reflect.ValueOf(value).Elem()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// readValue parses raw, a valid JSON value, into v. path is the place of v in the body.
func readValue(path string, raw json.RawMessage, v reflect.Value) error {
	raw = bytes.TrimSpace(raw)
	if own, ok := v.Addr().Interface().(json.Unmarshaler); ok && v.Type() != reflect.TypeFor[time.Time]() {
		return atMember(path, own.UnmarshalJSON(raw))
	}
	if string(raw) == "null" && path != "" {
		return nil
	}

	switch kindOf(v) {
	case reflect.Pointer:
		if string(raw) == `""` && v.Type().Elem().Kind() != reflect.String {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return readValue(path, raw, v.Elem())
	case reflect.Struct:
		return readObject(path, raw, v)
	case reflect.Slice:
		return readArray(path, raw, v)
	default:
		return atMember(path, readScalar(raw, v))
	}
}

// kindOf returns the kind of v. A time has the kind String, because that is its JSON
// form.
func kindOf(v reflect.Value) reflect.Kind {
	if v.Type() == reflect.TypeFor[time.Time]() {
		return reflect.String
	}
	return v.Kind()
}

// readObject parses a JSON object into a struct. It ignores members that the struct does
// not have.
func readObject(path string, raw json.RawMessage, v reflect.Value) error {
	if raw[0] != '{' {
		return atMember(path, unexpected(raw, "an object"))
	}

	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var member json.RawMessage
		if err := decoder.Decode(&member); err != nil {
			return err
		}
		if name, field := findField(v, name.(string)); field.IsValid() {
			if err := readValue(strings.TrimPrefix(path+"."+name, "."), member, field); err != nil {
				return err
			}
		}
	}
	return nil
}

// findField returns the field of a struct for a JSON member, and the member's name in
// its usual spelling.
func findField(v reflect.Value, name string) (string, reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "" {
			tag = field.Name
		}
		if strings.EqualFold(tag, name) {
			return tag, v.Field(i)
		}
	}
	return "", reflect.Value{}
}

func readArray(path string, raw json.RawMessage, v reflect.Value) error {
	if raw[0] != '[' {
		return atMember(path, unexpected(raw, "an array"))
	}

	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, element := range elements {
		if err := readValue(path+"["+strconv.Itoa(i)+"]", element, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// readScalar parses a JSON text, number or boolean into v.
func readScalar(raw json.RawMessage, v reflect.Value) error {
	isText := raw[0] == '"'
	isNumber := raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'
	isBool := raw[0] == 't' || raw[0] == 'f'

	switch kind := kindOf(v); {
	case isText:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		return readText(text, v)
	case isNumber && v.CanInt(), isBool && kind == reflect.Bool:
		return readText(string(raw), v)
	case kind == reflect.String:
		return unexpected(raw, "a text")
	case kind == reflect.Bool:
		return unexpected(raw, "true or false")
	default:
		return unexpected(raw, "an integer")
	}
}

// readText parses text into v, which must be a string, integer, boolean, time or
// enumeration.
func readText(text string, v reflect.Value) error {
	values, isEnum := enums[v.Type()]
	isTime := v.Type() == reflect.TypeFor[time.Time]()
	if v.Kind() == reflect.String && !isEnum {
		v.SetString(text)
		return nil
	}

	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil
	case isEnum:
		value, err := parseEnum(values, text)
		if err == nil {
			v.SetString(value)
		}
		return err
	case isTime:
		at, err := parseTime(text)
		v.Set(reflect.ValueOf(at))
		return err
	case v.Kind() == reflect.Bool:
		value, err := parseEnum([]string{"true", "false"}, text)
		v.SetBool(value == "true")
		return err
	default:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%s is out of range", firstLine(text))
		case err != nil:
			return fmt.Errorf("%q is not an integer", firstLine(text))
		}
		return nil
	}
}

// timeLayouts are the forms of ISO 8601 that Json.NET reads, with and without a time
// zone. Seconds may have decimals in all of them.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly}

// parseTime parses a time and returns it in UTC. Without a time zone it is in UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-11-23T12:00:00Z", firstLine(text))
}

// unexpected returns the error for a JSON value of the wrong kind.
func unexpected(raw json.RawMessage, want string) error {
	got := firstLine(string(raw))
	if raw[0] == '{' {
		got = "an object"
	} else if raw[0] == '[' {
		got = "an array"
	}
	return fmt.Errorf("got %s, want %s", got, want)
}

// atMember adds the path of a member to err.
func atMember(path string, err error) error {
	if err == nil || path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}
