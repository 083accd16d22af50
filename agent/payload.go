package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/actuator"
)

// MaxReason is the most characters that a command's reason may have. It is
// reported, and a hub refuses a whole report for one text of over 4 KiB.
const MaxReason = 512

// readPayload reads a method's payload: nothing, null, or an object with no
// members but those named, each at most once and as it is spelt. Members that
// are null count as not given.
func readPayload(payload []byte, names ...string) (map[string]any, error) {
	payload = bytes.TrimSpace(payload)
	if len(payload) == 0 || string(payload) == "null" {
		return nil, nil
	}
	if !utf8.Valid(payload) {
		return nil, errors.New("the payload is not UTF-8")
	}
	if payload[0] != '{' {
		return nil, errors.New("the payload is not null and not an object")
	}
	members, seen := make(map[string]any), make(map[string]bool)
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	fail := func(err error) (map[string]any, error) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("the payload cannot be read: %w", err)
	}
	if _, err := d.Token(); err != nil {
		return fail(err)
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return fail(err)
		}
		name, _ := token.(string)
		var value any
		switch {
		case !slices.Contains(names, name):
			return nil, fmt.Errorf("the payload has the member %.100q, which this method does not take", name)
		case seen[name]:
			return nil, fmt.Errorf("the payload has %s twice", name)
		}
		if err := d.Decode(&value); err != nil {
			return fail(err)
		}
		seen[name] = true
		if value != nil {
			members[name] = value
		}
	}
	if _, err := d.Token(); err != nil {
		return fail(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the payload has text after the object")
	}
	return members, nil
}

// reasonOf returns the reason that a payload gives, if it gives one.
func reasonOf(members map[string]any) (string, error) {
	value, given := members["reason"]
	if !given {
		return "", nil
	}
	reason, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("the payload's reason: want a string, not %s", kindOf(value))
	}
	if n := utf8.RuneCountInString(reason); n > MaxReason {
		return "", fmt.Errorf("the payload's reason has %d characters; at most %d are allowed", n, MaxReason)
	}
	return reason, nil
}

// relockAfter returns the time after which an unlock is to be followed by a
// lock: what the payload asks for, or else the setting; 0 is never. A strike that
// locks again by itself has no such setting, and bears no more than its longest time.
func (a *Agent) relockAfter(members map[string]any) (time.Duration, error) {
	longest, setting := MaxUnlock, a.settings().AutoRelockSeconds
	if a.config.Mode == actuator.Pulse {
		longest, setting = a.config.MaxEnergised, 0
	}
	value, given := members["forSeconds"]
	if !given {
		return time.Duration(setting) * time.Second, nil
	}
	seconds, err := integer(value)
	if err != nil {
		return 0, fmt.Errorf("the payload's forSeconds: %w", err)
	}
	if most := int64(longest / time.Second); seconds < 1 || seconds > most {
		return 0, fmt.Errorf("forSeconds is %d; it can be 1 to %d", seconds, most)
	}
	return time.Duration(seconds) * time.Second, nil
}
