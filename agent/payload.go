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
// copies the reason to a reported property, and hubs refuse strings longer than 4 KiB
// there.
const MaxReason = 512

// MaxBy is the maximum length of the name of the person who gives a command, in bytes.
const MaxBy = 64

// isEmpty reports whether a payload has no content. For a method without arguments,
// clients send no payload, null or "".
func isEmpty(payload []byte) bool {
	switch string(bytes.TrimSpace(payload)) {
	case "", "null", `""`:
		return true
	}
	return false
}

// readPayload decodes the payload of a method. A payload is an object, null, "" or
// missing. The object may contain only members named in allowed, each at most once.
// Members whose value is null are omitted from the result.
func readPayload(payload []byte, allowed ...string) (map[string]any, error) {
	if isEmpty(payload) {
		return nil, nil
	}
	payload = bytes.TrimSpace(payload)
	if !utf8.Valid(payload) {
		return nil, errors.New("the payload is not UTF-8")
	}
	if payload[0] != '{' {
		return nil, errors.New("the payload is neither null nor an object")
	}

	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if _, err := d.Token(); err != nil { // reads the opening brace
		return nil, unreadable(err)
	}

	members, err := readMembers(d, allowed)
	if err != nil {
		return nil, err
	}

	if _, err := d.Token(); err != nil { // reads the closing brace
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

// parseUnlock turns the payload of unlockDoor into a command. It returns an error for
// any mistake in the payload, and the door then stays locked.
func (a *Agent) parseUnlock(payload []byte) (actuator.Command, error) {
	c := actuator.Command{Name: "unlockDoor", Target: actuator.Unlocked}
	members, err := readPayload(payload, "reason", "by", "forSeconds", "hold")
	if err == nil {
		c.Reason, err = parseReason(members)
	}
	if err == nil {
		c.By, err = parseBy(members)
	}
	if err == nil {
		c.For, err = a.unlockTime(members)
	}
	return c, err
}

// parseReason returns the payload's reason, or "" if it has none.
func parseReason(members map[string]any) (string, error) {
	reason, err := parseText(members, "reason")
	if n := utf8.RuneCountInString(reason); n > MaxReason {
		return "", fmt.Errorf("the member reason has %d characters; at most %d are allowed", n, MaxReason)
	}
	return reason, err
}

// parseBy returns the name of the person who gives the command, or "" if the payload
// has no name.
func parseBy(members map[string]any) (string, error) {
	by, err := parseText(members, "by")
	if len(by) > MaxBy {
		return "", fmt.Errorf("the member by has %d bytes; at most %d are allowed", len(by), MaxBy)
	}
	return by, err
}

func parseText(members map[string]any, name string) (string, error) {
	value, given := members[name]
	if !given {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("%s: want a string, not %s", name, jsonType(value))
	}
	return text, nil
}

// unlockTime returns the time after which an unlock ends: the payload's forSeconds, or
// else the setting autoRelockSeconds. It returns 0 if the payload requests an unlock
// without a time limit (hold).
//
// A lock in Pulse mode releases a strike, which locks again by itself. The setting
// autoRelockSeconds therefore does not apply, hold is an error, and forSeconds must not
// exceed MaxEnergised. A time of 0 then selects the configured pulse.
func (a *Agent) unlockTime(members map[string]any) (time.Duration, error) {
	longest, setting := MaxUnlock, a.settings().AutoRelockSeconds
	if a.config.Mode == actuator.Pulse {
		longest, setting = a.config.MaxEnergised, 0
	}

	value, given := members["forSeconds"]
	hold, err := a.parseHold(members)
	switch {
	case err != nil:
		return 0, err
	case hold && given:
		return 0, errors.New("hold and forSeconds exclude each other; give one of them")
	case hold:
		return 0, nil
	case !given:
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

// parseHold returns the payload's member hold: whether the door must stay unlocked
// until the next lock command.
func (a *Agent) parseHold(members map[string]any) (bool, error) {
	value, given := members["hold"]
	if !given {
		return false, nil
	}

	hold, ok := value.(bool)
	if !ok {
		return false, fmt.Errorf("hold: want true or false, not %s", jsonType(value))
	}
	if hold && a.config.Mode == actuator.Pulse {
		return false, errors.New("hold: this lock releases a strike, which locks again by itself; use forSeconds instead")
	}
	return hold, nil
}
