package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/actuator"
)

// MaxReason is the maximum length of a command's reason, in characters. The agent
// reports the reason in the twin, and a hub refuses a whole report if one string in
// it is longer than 4 KiB.
const MaxReason = 512

// readPayload decodes a method's payload: nothing, null, or an object. The object may
// hold only the allowed members, spelled exactly and each at most once. readPayload
// omits members whose value is null.
func readPayload(payload []byte, allowed ...string) (map[string]any, error) {
	payload = bytes.TrimSpace(payload)
	if len(payload) == 0 || string(payload) == "null" {
		return nil, nil
	}
	if !utf8.Valid(payload) {
		return nil, errors.New("the payload is not UTF-8")
	}
	if payload[0] != '{' {
		return nil, errors.New("the payload is neither null nor an object")
	}

	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if _, err := d.Token(); err != nil { // the opening brace
		return nil, unreadable(err)
	}

	members, err := readMembers(d, allowed)
	if err != nil {
		return nil, err
	}

	if _, err := d.Token(); err != nil { // the closing brace
		return nil, unreadable(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the payload has text after the object")
	}
	return members, nil
}

// readMembers decodes the members of a JSON object, up to its closing brace.
func readMembers(d *json.Decoder, allowed []string) (map[string]any, error) {
	members, seen := make(map[string]any), make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, unreadable(err)
		}

		name, _ := token.(string)
		switch {
		case !slices.Contains(allowed, name) && len(allowed) == 0:
			return nil, fmt.Errorf("unknown member %.100q in the payload; this method takes none", name)
		case !slices.Contains(allowed, name):
			return nil, fmt.Errorf("unknown member %.100q in the payload; this method takes %s", name, strings.Join(allowed, ", "))
		case seen[name]:
			return nil, fmt.Errorf("the payload has the member %s twice", name)
		}
		seen[name] = true

		var value any
		if err := d.Decode(&value); err != nil {
			return nil, unreadable(err)
		}
		if value != nil {
			members[name] = value
		}
	}
	return members, nil
}

// unreadable returns the error for a payload that is not valid JSON.
func unreadable(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("cannot read the payload as JSON: %w", err)
}

// parseReason returns the payload's reason, or "" if it has none.
func parseReason(members map[string]any) (string, error) {
	value, given := members["reason"]
	if !given {
		return "", nil
	}

	reason, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("reason: want a string, not %s", jsonType(value))
	}
	if n := utf8.RuneCountInString(reason); n > MaxReason {
		return "", fmt.Errorf("reason has %d characters; at most %d are allowed", n, MaxReason)
	}
	return reason, nil
}

// relockDelay returns the time from an unlock to its relock: the payload's
// forSeconds, or the setting autoRelockSeconds; 0 disables relocking. In Pulse mode
// the strike locks by itself, so the setting does not apply, and forSeconds may not
// exceed the time that the strike may be energised.
func (a *Agent) relockDelay(members map[string]any) (time.Duration, error) {
	longest, setting := MaxUnlock, a.settings().AutoRelockSeconds
	if a.config.Mode == actuator.Pulse {
		longest, setting = a.config.MaxEnergised, 0
	}

	value, given := members["forSeconds"]
	if !given {
		return time.Duration(setting) * time.Second, nil
	}

	seconds, err := parseInteger(value)
	if err != nil {
		return 0, fmt.Errorf("forSeconds: %w", err)
	}
	if most := int64(longest / time.Second); seconds < 1 || seconds > most {
		return 0, fmt.Errorf("forSeconds is %d; want 1 to %d", seconds, most)
	}
	return time.Duration(seconds) * time.Second, nil
}
