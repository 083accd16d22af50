package ui

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Width returns the number of cells that a clean text occupies on a terminal. If terminals
// differ, Width returns the larger number, so that a text never needs more cells.
func Width(text string) int {
	cells := 0
	for _, r := range text {
		cells += runeWidth(r)
	}
	return cells
}

// runeWidth returns the number of cells that a character occupies on a terminal: 0 for a
// combining mark, 2 for wide characters such as Chinese ones and emoji, and 1 for other
// characters. The source is Unicode Standard Annex 11, "East Asian Width".
func runeWidth(r rune) int {
	const firstFlagLetter, lastFlagLetter = '\U0001F1E6', '\U0001F1FF' // regional indicators
	switch {
	case r < utf8.RuneSelf:
		return 1
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r):
		return 0
	case firstFlagLetter <= r && r <= lastFlagLetter:
		return 2
	}

	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
