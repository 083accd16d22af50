package ui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes a text safe to print on one line of a terminal. It replaces each
// control character, and each character that changes the writing direction, by a
// question mark.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case controlsTerminal(r), r == utf8.RuneError:
			return '?'
		}
		return r
	}, text)
}

// EscapeJSON makes a JSON text safe to print on a terminal. It replaces each
// character that could control the terminal by its JSON escape, which has the same
// meaning. It keeps ASCII control characters, because valid JSON has them only as
// white space between tokens.
func EscapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r > ' ' && controlsTerminal(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// controlsTerminal reports whether r is a control character or changes the writing direction.
func controlsTerminal(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// Cut shortens text to at most width characters. If it shortens the text, the result
// ends in an ellipsis.
func Cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width <= 1 {
		return strings.Repeat("…", max(width, 0))
	}
	return string([]rune(text)[:width-1]) + "…"
}

// Wrap breaks text into lines of at most width characters: at a space if possible,
// otherwise after a comma, otherwise within a word.
func Wrap(text string, width int) []string {
	if width < 1 {
		width = 1
	}

	var lines []string
	rest := []rune(text)
	for len(rest) > width {
		end := lineEnd(rest, width)
		lines = append(lines, strings.TrimRight(string(rest[:end]), " "))
		rest = []rune(strings.TrimLeft(string(rest[end:]), " "))
	}

	return append(lines, string(rest))
}

// lineEnd returns the number of characters of text that Wrap puts on one line. The text
// must be longer than width.
func lineEnd(text []rune, width int) int {
	for i := width; i > 0; i-- {
		if text[i] == ' ' {
			return i
		}
	}

	for i := width; i > width/3; i-- {
		if text[i-1] == ',' {
			return i
		}
	}

	return width
}

// Paragraph wraps text and indents every line after the first. With width 0 it
// returns the text as one line.
func Paragraph(text string, width int) []string {
	if width == 0 || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}

	const indent = "  "
	first := Wrap(text, width)[0]
	lines := []string{first}
	for _, line := range Wrap(strings.TrimLeft(text[len(first):], " "), max(width-len(indent), 1)) {
		lines = append(lines, indent+line)
	}

	return lines
}
