package iothub

import (
	"bytes"
	"encoding/json"
	"slices"
)

// maxSurroundingLevels is the largest number of JSON levels in which the hub or a
// client wraps a device's JSON.
const maxSurroundingLevels = 100

// ValidJSON reports whether text is JSON that can be embedded in other JSON. Go's
// decoder refuses JSON with more than 10,000 nested levels. ValidJSON therefore refuses
// text that would exceed this limit once the hub or a client has wrapped it.
func ValidJSON(text []byte) bool {
	opening := bytes.Repeat([]byte("["), maxSurroundingLevels)
	closing := bytes.Repeat([]byte("]"), maxSurroundingLevels)

	return json.Valid(text) && json.Valid(slices.Concat(opening, text, closing))
}
