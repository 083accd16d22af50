package iothub

import (
	"encoding/json"
	"strings"
	"testing"
)

// If CheckJSON accepts a text, a list of rows that contains the text must be readable.
func TestCheckJSON(t *testing.T) {
	t.Parallel()

	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	digits := func(n int) string { return strings.Repeat("1", n) }
	for _, test := range []struct {
		name, text string
		want       string // empty if the text is accepted
	}{
		{"an object", `{"a":[1,null]}`, ""},
		{"a number", " 1\n", ""},
		{"the deepest array", nested(48), ""},
		{"the deepest object", strings.Repeat(`{"a":`, 48) + "1" + strings.Repeat("}", 48), ""},
		{"many levels, but not nested", "[" + strings.Repeat("[],", 1000) + "[]]", ""},
		{"brackets in a string", `"` + strings.Repeat("[", 1000) + `\"` + strings.Repeat("{", 1000) + `"`, ""},
		{"a backslash at the end of a string", `["\\",` + nested(47) + `]`, ""},
		{"64 digits with an exponent", "-0." + digits(61) + "e-12", ""},
		{"64 digits", "[0." + digits(63) + "," + digits(64) + "]", ""},
		{"digits in a string", `{"` + digits(5000) + `":"` + digits(5000) + `"}`, ""},
		{"too deep", nested(49), "it is nested more than 48 levels deep"},
		{"too deep after a string", `["\\",` + nested(48) + `]`, "it is nested more than 48 levels deep"},
		{"far too deep", nested(100_000), "it is not JSON"}, // Go's decoder stops at 10,000 levels
		{"65 digits", `{"a":` + digits(65) + `}`, "it contains a number of more than 64 digits"},
		{"invalid UTF-8", "[\"a\xffb\"]", "it is not UTF-8"}, // Python cannot read the page
		{"nothing", "", "it is not JSON"},
		{"half", `{"a":`, "it is not JSON"},
		{"the inner part of a larger list", `1],[2`, "it is not JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := CheckJSON([]byte(test.text))
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}

			page, err := json.Marshal([]DeviceJob{{Outcome: &DeviceJobOutcome{DeviceMethodResponse: &MethodResponse{Payload: json.RawMessage(test.text)}}}})
			var rows []DeviceJob
			if err != nil || json.Unmarshal(page, &rows) != nil {
				t.Errorf("it cannot be read in a list of rows")
			}
		})
	}
}
