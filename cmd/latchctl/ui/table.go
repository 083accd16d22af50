package ui

import (
	"io"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/termtext"
)

const (
	columnGap = 2 // spaces between two columns

	// minWidth is the minimum width of a column. A shorter text would be useless.
	minWidth = 8
	// lastWidth is the width to which Write narrows the last column before it narrows
	// any other column.
	lastWidth = 30
	// minWrappedWidth is the minimum width of the last column if its text is wrapped.
	minWrappedWidth = 16
	// blockIndent is the indentation of all lines of a block (a row with one line per
	// cell) after the first line.
	blockIndent = 2
)

// Table is a table with a header. Set Head, call Add for each row, then Write.
//
// The first column names the row and is never cut. If the table is too wide, Write
// first cuts or wraps the last column, then leaves out optional columns. If the
// table still does not fit, Write prints each row as a block with one line per cell.
type Table struct {
	Head []string
	Rows [][]string

	// WrapLast wraps the text in the last column onto further lines instead of cutting
	// it.
	WrapLast bool

	// CutAny allows Write to cut the text in every column except the first.
	CutAny bool

	// Optional lists the columns that Write may leave out, in the order in which it
	// leaves them out.
	Optional []int

	// Style returns the colour of a cell as SGR parameters (a terminal's colour
	// codes), such as "31". It returns "" for no colour. A nil Style disables
	// colours.
	Style func(column int, text string) string

	// RowStyle returns the colour of a whole row by its index in Rows. It returns "" if
	// Style chooses the colours of the row's cells. Nil does so for all rows.
	RowStyle func(row int) string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write prints the table with a width of at most width cells; 0 means no limit.
// Write uses Style only if color is true.
func (t *Table) Write(w io.Writer, width int, color bool) error {
	rows := t.cleanRows()
	columns, widths, fits := t.layout(rows, width)

	var b strings.Builder
	for i, row := range rows {
		style := t.rowStyle(i-1, color)
		switch {
		case fits:
			t.writeRow(&b, row, columns, widths, style)
		case i > 0:
			t.writeBlock(&b, rows[0], row, width, style)
		}
	}

	_, err := io.WriteString(w, b.String())
	return err
}

// cleanRows returns the header and all rows with texts that are safe to print. A cell has
// no gap as wide as the gap between columns, so that it cannot imitate further cells. Each
// row has as many cells as the header.
func (t *Table) cleanRows() [][]string {
	rows := make([][]string, 0, len(t.Rows)+1)
	for _, row := range slices.Concat([][]string{t.Head}, t.Rows) {
		clean := make([]string, len(t.Head))
		for i := range min(len(row), len(clean)) {
			clean[i] = strings.Join(strings.Fields(termtext.Clean(row[i])), " ")
		}
		rows = append(rows, clean)
	}

	return rows
}

// layout chooses the columns to print, and their widths. It returns fits = false if
// even the required columns are too wide for the table.
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

// fit computes the widths of the given columns. A column is as wide as its longest
// cell, unless the table must become narrower.
func (t *Table) fit(rows [][]string, columns []int, width int) (widths []int, fits bool) {
	widths = make([]int, len(columns))
	total := columnGap * (len(columns) - 1)
	for i, column := range columns {
		for _, row := range rows {
			widths[i] = max(widths[i], Width(row[column]))
		}
		total += widths[i]
	}

	for width > 0 && total > width {
		i := t.columnToNarrow(widths, columns)
		if i < 0 {
			return widths, false
		}
		widths[i]--
		total--
	}

	return widths, true
}

// columnToNarrow chooses the next column to make one character narrower:
//   - the last column, while it is wider than lastWidth
//   - otherwise the widest column that may be cut
//
// It returns the column's index in widths, or -1 if no column may become narrower.
func (t *Table) columnToNarrow(widths, columns []int) int {
	last := len(columns) - 1
	isLast := last > 0 && columns[last] == len(t.Head)-1 // false if the table's last column was left out
	if isLast && widths[last] > lastWidth {
		return last
	}

	minLast := minWidth
	if t.WrapLast {
		minLast = minWrappedWidth
	}

	widest := -1
	for i := 1; i <= last; i++ {
		narrowable := t.CutAny && widths[i] > minWidth
		if isLast && i == last {
			narrowable = widths[i] > minLast
		}
		if narrowable && (widest < 0 || widths[i] > widths[widest]) {
			widest = i
		}
	}

	return widest
}

// writeBlock prints a row as a block with one line for each cell that has a value. A
// long cell is cut or wrapped.
func (t *Table) writeBlock(b *strings.Builder, head, row []string, width int, style cellStyle) {
	b.WriteString(styled(strings.Join(Wrap(row[0], width), "\n"), style(0, row[0])) + "\n")

	for i, cell := range row[1:] {
		column := i + 1
		if cell == "" || cell == "-" {
			continue
		}

		prefix := strings.Repeat(" ", blockIndent) + head[column] + ": "
		free := max(width-Width(prefix), 1)
		lines := Wrap(cell, free)
		if len(lines) > 1 && t.CutAny {
			lines = []string{Cut(cell, free)}
		}
		if len(lines) > 1 { // the column's name has its own line; the indented cell follows
			b.WriteString(strings.TrimRight(prefix, " ") + "\n")
			prefix = strings.Repeat(" ", 2*blockIndent)
			lines = Wrap(cell, max(width-2*blockIndent, minWidth))
		}

		for _, line := range lines {
			b.WriteString(prefix + styled(line, style(column, cell)) + "\n")
		}
	}
}

// writeRow prints one row of a table. If the last cell is wrapped, the row has
// several lines, and the other columns are blank after the first line.
func (t *Table) writeRow(b *strings.Builder, row []string, columns, widths []int, style cellStyle) {
	last := len(columns) - 1
	lastCell := row[columns[last]]
	lines := []string{Cut(lastCell, widths[last])}
	if t.WrapLast && columns[last] == len(t.Head)-1 {
		lines = Wrap(lastCell, widths[last])
	}

	for n, line := range lines {
		var out strings.Builder
		for i, column := range columns[:last] {
			text := ""
			if n == 0 {
				text = Cut(row[column], widths[i])
			}
			out.WriteString(styled(text, style(column, row[column])))
			out.WriteString(strings.Repeat(" ", widths[i]-Width(text)+columnGap))
		}
		out.WriteString(styled(line, style(columns[last], lastCell)))

		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}

// cellStyle returns the colour of a cell as SGR parameters, or "" for no colour.
type cellStyle func(column int, text string) string

// rowStyle returns the colours of the cells in a row. The header has the index -1 and no
// colours.
func (t *Table) rowStyle(row int, color bool) cellStyle {
	whole := ""
	if color && row >= 0 && t.RowStyle != nil {
		whole = t.RowStyle(row)
	}

	return func(column int, text string) string {
		if whole != "" || !color || row < 0 || t.Style == nil {
			return whole
		}
		return t.Style(column, text)
	}
}

// styled returns a cell, or a part of a cell, with the terminal's colour codes around
// it. An empty sgr means no colour.
func styled(text, sgr string) string {
	if text == "" || sgr == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}
