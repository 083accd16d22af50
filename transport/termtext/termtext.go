// Package termtext makes texts of remote parties safe to print on a terminal. Use
// [Clean] for a text on one line, [EscapeJSON] for JSON, and [NewWriter] for a program's
// log.
//
// Guarantees for the results of Clean and EscapeJSON:
//   - They contain no character that controls the terminal, changes the writing
//     direction, or is invisible.
//   - Only the space character looks like a space, so no text can imitate the gap between
//     two columns of a table that collapses spaces.
package termtext

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxMarks is the number of combining marks, such as accents, that Clean keeps after a
// character. More marks would cover the lines above and below.
const maxMarks = 3

// Clean makes a text safe to print on one line of a terminal. It replaces white space of
// all kinds, including line breaks, by the space character, and each other unsafe character
// by a question mark.
func Clean(text string) string {
	marks := 0
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
			marks++
		} else {
			marks = 0
		}

		switch {
		case unicode.IsSpace(r):
			return ' '
		case unsafe(r), r == utf8.RuneError, marks > maxMarks:
			return '?'
		}
		return r
	}, text)
}

// EscapeJSON makes a JSON text safe to print on a terminal. It replaces each unsafe
// character by its JSON escape, which has the same meaning. It keeps tabs
// and line breaks, because valid JSON has them only as white space between tokens.
func EscapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t', r == '\n', r == '\r', !unsafe(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// unsafe reports whether r could deceive the reader of a terminal: r controls the
// terminal, changes the writing direction, is invisible, or looks like a space.
func unsafe(r rune) bool {
	const brailleBlank = '\u2800' // a symbol without any dot
	return !unicode.IsPrint(r) || r == brailleBlank ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// NewWriter returns a writer for a program's log. It escapes texts as EscapeJSON does and
// writes them to w. Each call of Write must pass complete characters.
func NewWriter(w io.Writer) io.Writer { return writer{w} }

type writer struct{ to io.Writer }

func (w writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.to, EscapeJSON(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
