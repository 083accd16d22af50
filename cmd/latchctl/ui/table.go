package ui

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	columnGap = 2
	// narrowest is what a column keeps, so that a cut text still says something.
	narrowest = 8
	// narrowestLast is what the last column keeps before others give way, and
	// narrowestWrapped what it keeps at all if it is wrapped.
	narrowestLast    = 30
	narrowestWrapped = 16
	// blockIndent is how far the cells below a block's first line stand in.
	blockIndent = 2
)

// Table is rows under a head. The zero value with Head set is ready. The first
// column names the row and is never cut. Where the columns do not fit, the last
// is cut or wrapped, then optional ones are left out; if that does not help, each
// row becomes a block of lines, one for each cell.
type Table struct {
	Head []string
	Rows [][]string

	// WrapLast breaks the last column onto further lines where it does not fit,
	// instead of cutting it.
	WrapLast bool

	// CutAny lets all columns but the first be cut, for cells whose beginning
	// says enough.
	CutAny bool

	// Optional are the columns that may be left out, the first of them first.
	Optional []int

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
	columns, widths, fits := t.layout(rows, width)
	var b strings.Builder
	if !fits {
		for _, row := range rows[1:] {
			t.writeBlock(&b, row, width, color)
		}
	} else {
		for n, row := range rows {
			t.writeRow(&b, row, columns, widths, color && n > 0)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// layout chooses the columns that are shown and their widths, and reports
// whether they fit. Width 0 fits all.
func (t *Table) layout(rows [][]string, width int) (columns, widths []int, fits bool) {
	for i := range t.Head {
		columns = append(columns, i)
	}
	optional := t.Optional
	for {
		widths, fits = t.fit(rows, columns, width)
		if fits || len(optional) == 0 {
			return columns, widths, fits
		}
		columns = slices.DeleteFunc(columns, func(i int) bool { return i == optional[0] })
		optional = optional[1:]
	}
}

// fit chooses the columns' widths: their own, less where the table is too wide.
func (t *Table) fit(rows [][]string, columns []int, width int) (widths []int, fits bool) {
	widths = make([]int, len(columns))
	total := columnGap * (len(columns) - 1)
	for i, column := range columns {
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[column]))
		}
		total += widths[i]
	}
	for width > 0 && total > width {
		shrink := t.widest(widths, columns)
		if shrink < 0 {
			return widths, false
		}
		widths[shrink]--
		total--
	}
	return widths, true
}

// widest is the column to be made narrower, or -1 if none can be.
func (t *Table) widest(widths, columns []int) int {
	last := len(columns) - 1
	least := narrowest
	if t.WrapLast {
		least = narrowestWrapped
	}
	isLast := last > 0 && columns[last] == len(t.Head)-1 // which may have been left out
	if isLast && widths[last] > narrowestLast {
		return last
	}
	found := -1
	for i := 1; i <= last; i++ {
		switch {
		case isLast && i == last && widths[i] <= least, i < last && !t.CutAny, !isLast && !t.CutAny, widths[i] <= narrowest:
		case found < 0 || widths[i] > widths[found]:
			found = i
		}
	}
	return found
}

// writeBlock writes a row with a line for each of its cells, wrapped or cut.
func (t *Table) writeBlock(b *strings.Builder, row []string, width int, color bool) {
	for i, cell := range row {
		if i == 0 {
			b.WriteString(t.styled(0, cell, strings.Join(Wrap(cell, width), "\n"), color) + "\n")
			continue
		}
		if cell == "" || cell == "-" {
			continue
		}
		name := strings.Repeat(" ", blockIndent) + t.Head[i] + ": "
		room := max(width-2*blockIndent, narrowest)
		lines := Wrap(cell, max(width-utf8.RuneCountInString(name), 1))
		if len(lines) > 1 && t.CutAny {
			lines = []string{Cut(cell, max(width-utf8.RuneCountInString(name), 1))}
		}
		if len(lines) > 1 { // the name has a line of its own then
			b.WriteString(strings.TrimRight(name, " ") + "\n")
			name, lines = strings.Repeat(" ", 2*blockIndent), Wrap(cell, room)
		}
		for _, line := range lines {
			b.WriteString(name + t.styled(i, cell, line, color) + "\n")
		}
	}
}

func (t *Table) writeRow(b *strings.Builder, row []string, columns, widths []int, color bool) {
	last := len(columns) - 1
	text := row[columns[last]]
	lines := []string{Cut(text, widths[last])}
	if t.WrapLast && columns[last] == len(t.Head)-1 {
		lines = Wrap(text, widths[last])
	}
	for n, line := range lines {
		var out strings.Builder
		for i, column := range columns {
			cell := row[column]
			switch {
			case i == last:
				out.WriteString(t.styled(column, cell, line, color))
			case n > 0:
				out.WriteString(strings.Repeat(" ", widths[i]+columnGap))
			default:
				text := Cut(cell, widths[i])
				out.WriteString(t.styled(column, cell, text, color))
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
