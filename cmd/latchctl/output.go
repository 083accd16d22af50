package main

import (
	"encoding/json"
	"io"

	"github.com/latchd/latchd/cmd/latchctl/ui"
)

// printList prints rows in the form that was asked for: a table, one JSON array,
// or one JSON object a line.
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

// printOne prints a single thing: JSON, or what text writes.
func (a *app) printOne(v any, text func(io.Writer) error) error {
	switch a.format {
	case "json":
		return printJSON(a.out, v)
	case "jsonl":
		return printLine(a.out, v)
	}
	return text(a.out)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// fields prints names and values, one to a line, the values in one column.
func fields(w io.Writer, pairs ...string) error {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		width = max(width, len(pairs[i]))
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		name := pairs[i] + ":"
		for len(name) < width+2 {
			name += " "
		}
		if _, err := io.WriteString(w, name+ui.Clean(pairs[i+1])+"\n"); err != nil {
			return err
		}
	}
	return nil
}
