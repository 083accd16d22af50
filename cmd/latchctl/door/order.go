package door

import (
	"cmp"
	"strconv"
	"strings"
)

// SamePlace reports whether two doors have the same building, floor and room.
func (d Door) SamePlace(e Door) bool {
	return d.Building == e.Building && d.Floor == e.Floor && d.Room == e.Room
}

// Compare orders doors by building, floor, room and id. It compares numbers in these
// texts by value. A door without a building, floor or room comes last.
func (d Door) Compare(e Door) int {
	return cmp.Or(natural(d.Building.Text, e.Building.Text), natural(d.Floor.Text, e.Floor.Text),
		natural(d.Room.Text, e.Room.Text), natural(d.ID, e.ID), strings.Compare(d.ID, e.ID))
}

// natural compares two texts so that "floor 9" comes before "floor 10": it compares
// the numbers in them by value. An empty text comes last.
func natural(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(b), len(a))
	}
	if x, err := strconv.Atoi(a); err == nil {
		if y, err := strconv.Atoi(b); err == nil {
			return cmp.Compare(x, y)
		}
	}

	for a != "" && b != "" {
		x, restA := firstRun(a)
		y, restB := firstRun(b)
		if c := compareRuns(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}

	return cmp.Compare(len(a), len(b))
}

// firstRun splits a text into its leading digits and the rest. If the text does not
// begin with a digit, it splits after the first byte.
func firstRun(text string) (run, rest string) {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}

	n = max(n, 1)
	return text[:n], text[n:]
}

// compareRuns compares two numbers, given as digits, by value. It compares any other
// texts byte by byte.
func compareRuns(a, b string) int {
	if !isDigit(a[0]) || !isDigit(b[0]) {
		return strings.Compare(a, b)
	}
	x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
