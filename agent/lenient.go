package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/actuator"
)

const (
	// maxIgnored is the maximum number of unknown members that the answer to lockDoor
	// names.
	maxIgnored = 8
	// maxIgnoredName is the maximum length, in bytes, of the name of an unknown member
	// in the answer to lockDoor.
	maxIgnoredName = 64
)

// parseLock turns the payload of lockDoor into a command. It accepts every payload,
// because an invalid payload must not leave a door unlocked. ignored lists the names of
// the members that it could not use.
func parseLock(payload []byte) (c actuator.Command, ignored []string) {
	c = actuator.Command{Name: "lockDoor", Target: actuator.Locked}
	if isEmpty(payload) {
		return c, nil
	}

	var members map[string]json.RawMessage
	if !utf8.Valid(payload) || json.Unmarshal(payload, &members) != nil {
		return c, []string{"payload"}
	}

	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !takeMember(&c, name, members[name]) && len(ignored) < maxIgnored {
			ignored = append(ignored, cut(name, maxIgnoredName))
		}
	}
	return c, ignored
}

// takeMember copies one member of lockDoor's payload to c. It shortens a text that is
// too long. It reports whether it could use the whole value.
func takeMember(c *actuator.Command, name string, value json.RawMessage) (understood bool) {
	if string(value) == "null" {
		return true
	}

	text := ""
	isText := json.Unmarshal(value, &text) == nil
	switch name {
	case "reason":
		c.Reason = cutRunes(text, MaxReason)
		return isText && c.Reason == text
	case "by":
		c.By = cut(text, MaxBy)
		return isText && c.By == text
	case "whenClosed":
		return json.Unmarshal(value, &c.WhenClosed) == nil
	}
	return false
}

// cut returns the first n bytes of text, or fewer, so that no character is broken.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// cutRunes returns the first n characters of a text.
func cutRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
