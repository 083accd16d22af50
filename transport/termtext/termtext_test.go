package termtext

import (
	"encoding/json"
	"strings"
	"testing"
)

// hostile maps texts that a remote party could send to what a terminal may show.
var hostile = map[string]string{
	"plain, Türe ✓":                    "plain, Türe ✓",
	"漢字 🚪":                             "漢字 🚪",
	"a\nb\tc\r":                        "a b c ",
	"\x1b]0;title\x07":                 "?]0;title?",
	"\x7f\u0085\u009b31m":              "? ?31m", // DEL, NEL and the one-character form of ESC [
	"\u202eevil\u2066":                 "?evil?", // changes of the writing direction
	"zero\u200bwidth\ufeff":            "zero?width?",
	"a\u00a0b\u2003c\u3000":            "a b c ",    // spaces that are not the space character
	"a\u2028b\u2029c":                  "a b c",     // line separators
	"\u3164\u115f\u2800":               "???",       // letters and a symbol that draw nothing
	"tag\U000e0041\ue000":              "tag??",     // invisible and private characters
	"e\u0301 \ufe0f":                   "e\u0301 ?", // an accent, and a variation selector
	"z" + strings.Repeat("\u0301", 50): "z" + strings.Repeat("\u0301", 3) + strings.Repeat("?", 47),
	"\xff":                             "?",
}

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range hostile {
		got := Clean(text)
		if got != want {
			t.Errorf("Clean(%+q) = %+q, want %+q", text, got, want)
		}
		if again := Clean(got); again != got {
			t.Errorf("Clean(%+q) = %+q, but the text is clean", got, again)
		}
	}
}

// EscapeJSON returns JSON with the same meaning and without unsafe characters.
func TestEscapeJSON(t *testing.T) {
	t.Parallel()
	for text := range hostile {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		want := text
		if err := json.Unmarshal(raw, &want); err != nil { // an invalid byte becomes U+FFFD
			t.Fatal(err)
		}

		escaped := EscapeJSON(string(raw))
		for _, r := range escaped {
			if unsafe(r) {
				t.Errorf("EscapeJSON(%s) = %+q has the unsafe character %U", raw, escaped, r)
			}
		}
		var got string
		if err := json.Unmarshal([]byte(escaped), &got); err != nil || got != want {
			t.Errorf("EscapeJSON(%s) = %s, which means %+q, %v; want %+q", raw, escaped, got, err, want)
		}
	}

	if got, want := EscapeJSON("{\n\t\"a\": 1\r\n}"), "{\n\t\"a\": 1\r\n}"; got != want {
		t.Errorf("white space between tokens: %q, want %q", got, want)
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	line := "WARN \x1b[2J refused {\"user\": \"\u009b31m\u202e\"}\n"

	n, err := NewWriter(&out).Write([]byte(line))
	if want := "WARN \\u001b[2J refused {\"user\": \"\\u009b31m\\u202e\"}\n"; n != len(line) || err != nil || out.String() != want {
		t.Errorf("wrote %d bytes, %v: %q, want %q", n, err, out.String(), want)
	}
}
