package ui

import (
	"strings"
)

// Cut shortens text to at most width cells. If it shortens the text, the result ends in
// an ellipsis.
func Cut(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	if width <= 1 {
		return strings.Repeat("…", max(width, 0))
	}

	characters := []rune(text)
	return string(characters[:fitting(characters, width-1)]) + "…"
}

// fitting returns the number of characters at the beginning of text that fit into width
// cells.
func fitting(text []rune, width int) int {
	for i, r := range text {
		if width -= runeWidth(r); width < 0 {
			return i
		}
	}
	return len(text)
}

// Wrap breaks text into lines of at most width cells: at a space if possible, otherwise
// after a comma, otherwise within a word.
func Wrap(text string, width int) []string {
	if width < 1 {
		width = 1
	}

	var lines []string
	rest := []rune(text)
	for len(rest) > 1 && fitting(rest, width) < len(rest) {
		end := lineEnd(rest, width)
		lines = append(lines, strings.TrimRight(string(rest[:end]), " "))
		rest = []rune(strings.TrimLeft(string(rest[end:]), " "))
	}

	return append(lines, string(rest))
}

// lineEnd returns the number of characters of text that Wrap puts on one line. The text
// must be longer than width.
func lineEnd(text []rune, width int) int {
	most := fitting(text, width)
	for i := most; i > 0; i-- {
		if text[i] == ' ' {
			return i
		}
	}

	for i := most; i > most/3; i-- {
		if text[i-1] == ',' {
			return i
		}
	}

	return max(most, 1)
}

// Paragraph wraps text and indents every line after the first. With width 0 it
// returns the text as one line.
func Paragraph(text string, width int) []string {
	if width == 0 || Width(text) <= width {
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
