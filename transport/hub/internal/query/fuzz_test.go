package query

import (
	"strings"
	"testing"
)

// FuzzParse parses arbitrary texts. Parse must always return, and the position of an
// error must lie within the text. Every parsed query must compile to SQL.
func FuzzParse(f *testing.F) {
	for _, q := range queries {
		f.Add(q.text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			if e := err.(*Error); e.Pos < 0 || e.Pos > len(text) {
				t.Fatalf("the error's position is %d in a text of %d bytes", e.Pos, len(text))
			}
			return
		}

		q.Where.SQL(q.Collection)
		q.Outputs()
		q.Groups()
	})
}

// FuzzParseCondition parses arbitrary conditions. Every parsed condition must compile to
// SQL, and parentheses around the whole condition must not change its tree.
func FuzzParseCondition(f *testing.F) {
	for _, text := range []string{"*", "tags.a = 1", "a IN ['x', 1] OR NOT (b)", "SELECT * FROM devices", "WHERE a = 1"} {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text)
		if err != nil || c == nil {
			return
		}
		c.SQL(Devices)

		again, err := ParseCondition("(" + text + ")")
		if err != nil {
			if !isBoundError(err) {
				t.Fatalf("%q parses alone, but not in parentheses: %v", text, err)
			}
			return
		}
		if got, want := outlineExpr(again.Root), outlineExpr(c.Root); got != want {
			t.Fatalf("%q in parentheses is parsed as %s, alone as %s", text, got, want)
		}
	})
}

// isBoundError reports whether a query was refused only because of its size.
func isBoundError(err error) bool {
	for _, bound := range []string{"characters", "nested too deep", "comparisons"} {
		if strings.Contains(err.Error(), bound) {
			return true
		}
	}
	return false
}
