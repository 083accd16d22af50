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
	// maxIgnored is the maximum number of names in an answer's member ignored.
	maxIgnored = 8
	// maxIgnoredName is the maximum length of one of these names, in bytes.
	maxIgnoredName = 64
)

// parseLock returns the command that the payload of lockDoor gives the lock. It accepts
// every payload, because nothing may refuse to lock a door. ignored names what it did
// not understand.
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

// takeMember stores a member of lockDoor's payload in c. It reports whether it
// understood the whole value. A text that is too long is cut.
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

// cut returns the beginning of a text, at most n bytes and whole characters of it.
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
