package iothub

import (
	"bytes"
	"encoding/json"
	"slices"
)

// room is how many levels of JSON are put around what a device says, at most.
const room = 100

// ValidJSON reports whether text is JSON that can be put into other JSON. A
// decoder goes 10,000 levels deep, so that an answer which uses them all would make
// every list unreadable that it stands in.
func ValidJSON(text []byte) bool {
	return json.Valid(text) &&
		json.Valid(slices.Concat(bytes.Repeat([]byte("["), room), text, bytes.Repeat([]byte("]"), room)))
}
