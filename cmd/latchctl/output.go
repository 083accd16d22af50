package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/termtext"
)

// printList prints rows in the format of --output: a table, one JSON array, or one
// JSON object per line.
func printList[T any](a *app, rows []T, table func() *ui.Table) error {
	switch a.format {
	case "json":
		if rows == nil {
			rows = []T{}
		}
		return printJSON(a.out, rows)

	case "jsonl":
		for _, row := range rows {
			if err := printLine(a.out, row); err != nil {
				return err
			}
		}
		return nil
	}

	return table().Write(a.out, a.outWidth(), a.color())
}

// printOne prints a single value in the format of --output. For the format table it
// calls text.
func (a *app) printOne(v any, text func(io.Writer) error) error {
	switch a.format {
	case "json":
		return printJSON(a.out, v)
	case "jsonl":
		return printLine(a.out, v)
	}

	return text(a.out)
}

// printJSON prints v as indented JSON.
func printJSON(w io.Writer, v any) error { return writeJSON(w, v, "  ") }

// printLine prints v as JSON on one line.
func printLine(w io.Writer, v any) error { return writeJSON(w, v, "") }

func writeJSON(w io.Writer, v any, indent string) error {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}

	_, err := io.WriteString(w, termtext.EscapeJSON(text.String()))
	return err
}

// printParagraph prints a text, which it wraps on a terminal.
func (a *app) printParagraph(text string) error {
	lines := ui.Paragraph(termtext.Clean(text), a.outWidth())
	_, err := io.WriteString(a.out, strings.Join(lines, "\n")+"\n")
	return err
}

// printFields prints pairs of names and values, one pair per line, with all values in
// one column. It leaves out pairs with an empty value. On a terminal it wraps long
// values within the column. A long value without spaces gets a line of its own, so that
// the user can copy it in one piece.
func (a *app) printFields(w io.Writer, pairs ...string) error {
	column := 0
	for i := 0; i < len(pairs); i += 2 {
		column = max(column, len(pairs[i])+2)
	}

	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], termtext.Clean(pairs[i+1])
		if value == "" {
			continue
		}

		head := name + ":" + strings.Repeat(" ", column-len(name)-1)
		indent := strings.Repeat(" ", column)
		lines := []string{value}

		space := a.outWidth() - column
		tooLong := space > 0 && ui.Width(value) > space
		switch {
		case tooLong && strings.Contains(value, " "):
			lines = ui.Wrap(value, space)
		case tooLong:
			head, indent = name+":\n  ", "  "
			lines = ui.Wrap(value, a.outWidth()-len(indent))
		}

		if _, err := io.WriteString(w, head+strings.Join(lines, "\n"+indent)+"\n"); err != nil {
			return err
		}
	}

	return nil
}
