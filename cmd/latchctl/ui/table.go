package ui

import (
	"io"
	"strings"
	"unicode/utf8"
)

const (
	columnGap = 2
	// narrowest is what a column keeps, so that a cut text still says something.
	narrowest = 8
	// narrowestLast is what the last column keeps before others give way.
	narrowestLast = 30
)

// Table is rows under a head. The zero value with Head set is ready.
type Table struct {
	Head []string
	Rows [][]string

	// WrapLast breaks the last column onto further lines where it does not fit,
	// instead of cutting it.
	WrapLast bool

	// Style, if set, returns the SGR parameters of a cell, such as "31", or "".
	Style func(column int, text string) string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write draws the table, at most width columns wide; 0 is any width. Styles are
// used if color is set.
func (t *Table) Write(w io.Writer, width int, color bool) error {
	rows := make([][]string, 0, len(t.Rows)+1)
	rows = append(rows, t.Head)
	for _, row := range t.Rows {
		clean := make([]string, len(t.Head))
		for i := range clean {
			if i < len(row) {
				clean[i] = Clean(row[i])
			}
		}
		rows = append(rows, clean)
	}
	widths := t.fit(rows, width)
	var b strings.Builder
	for n, row := range rows {
		t.writeRow(&b, row, widths, color && n > 0)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fit chooses the columns' widths: their own, less where the table is too wide.
func (t *Table) fit(rows [][]string, width int) []int {
	widths := make([]int, len(t.Head))
	total := columnGap * (len(t.Head) - 1)
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i]
	}
	last := len(widths) - 1
	for width > 0 && total > width {
		shrink := last
		if widths[last] <= narrowestLast {
			for i := range widths {
				if widths[i] > widths[shrink] {
					shrink = i
				}
			}
		}
		if widths[shrink] <= narrowest {
			break
		}
		widths[shrink]--
		total--
	}
	return widths
}

func (t *Table) writeRow(b *strings.Builder, row []string, widths []int, color bool) {
	last := len(row) - 1
	lines := []string{Cut(row[last], widths[last])}
	if t.WrapLast {
		lines = Wrap(row[last], widths[last])
	}
	for n, line := range lines {
		var out strings.Builder
		for i, cell := range row {
			switch {
			case i == last:
				out.WriteString(t.styled(i, row[i], line, color))
			case n > 0:
				out.WriteString(strings.Repeat(" ", widths[i]+columnGap))
			default:
				text := Cut(cell, widths[i])
				out.WriteString(t.styled(i, cell, text, color))
				out.WriteString(pad("", widths[i]-utf8.RuneCountInString(text)+columnGap))
			}
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}

func (t *Table) styled(column int, cell, text string, color bool) string {
	if !color || t.Style == nil || text == "" {
		return text
	}
	if sgr := t.Style(column, cell); sgr != "" {
		return "\x1b[" + sgr + "m" + text + "\x1b[0m"
	}
	return text
}
