package ui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean puts text on one line and replaces what could steer a terminal.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case steers(r), r == utf8.RuneError:
			return '?'
		}
		return r
	}, text)
}

// EscapeJSON writes what could steer a terminal as JSON's escapes, which mean the
// same. The ASCII characters among it JSON has only between its tokens.
func EscapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r > ' ' && steers(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steers(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// Cut shortens text to width characters; an ellipsis says that it did.
func Cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width <= 1 {
		return strings.Repeat("…", max(width, 0))
	}
	return string([]rune(text)[:width-1]) + "…"
}

// Wrap breaks text into lines of at most width characters: at blanks where there
// are any, else after a comma.
func Wrap(text string, width int) []string {
	if width < 1 {
		width = 1
	}
	var lines []string
	rest := []rune(text)
	for len(rest) > width {
		at := breakAt(rest, width)
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	return append(lines, string(rest))
}

// breakAt is where a text that is longer than width is broken.
func breakAt(text []rune, width int) int {
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

// Paragraph wraps text with the lines after the first set in; width 0 is any.
func Paragraph(text string, width int) []string {
	if width == 0 || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	first := Wrap(text, width)[0]
	lines := []string{first}
	const indent = "  "
	for _, line := range Wrap(strings.TrimLeft(text[len(first):], " "), max(width-len(indent), 1)) {
		lines = append(lines, indent+line)
	}
	return lines
}

func pad(text string, width int) string {
	if n := utf8.RuneCountInString(text); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return text
}
