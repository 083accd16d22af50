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
	// maxIgnored is the maximum number of names in the member "ignored" of an answer.
	maxIgnored = 8
	// maxIgnoredName is the maximum length of a name in the member "ignored", in bytes.
	maxIgnoredName = 64
)

// parseLock turns the payload of lockDoor into a command. It accepts every payload,
// because a bad payload must not leave a door unlocked. ignored names the members that
// parseLock did not understand.
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

// takeMember stores one member of lockDoor's payload in c. It cuts a text that is too
// long. It reports whether it understood the whole value.
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

// cut returns the longest beginning of text that has at most n bytes and no broken
// character.
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
