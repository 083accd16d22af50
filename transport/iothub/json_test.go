package iothub

import (
	"encoding/json"
	"strings"
	"testing"
)

// If ValidJSON accepts a text, a list of rows that contains the text must be readable.
func TestValidJSON(t *testing.T) {
	t.Parallel()

	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	for _, test := range []struct {
		name, text string
		want       bool
	}{
		{"an object", `{"a":[1,null]}`, true},
		{"a number", " 1\n", true},
		{"deep", nested(9_000), true},
		{"the most levels that a decoder reads", nested(10_000), false},
		{"nothing", "", false},
		{"half", `{"a":`, false},
		{"the inner part of a larger list", `1],[2`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ValidJSON([]byte(test.text)); got != test.want {
				t.Fatalf("got %v", got)
			}
			if !test.want {
				return
			}
			page, err := json.Marshal([]DeviceJob{{Outcome: &DeviceJobOutcome{DeviceMethodResponse: &MethodResponse{Payload: json.RawMessage(test.text)}}}})
			var rows []DeviceJob
			if err != nil || json.Unmarshal(page, &rows) != nil {
				t.Errorf("it cannot be read in a list of rows")
			}
		})
	}
}
