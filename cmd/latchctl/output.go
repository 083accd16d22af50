package main

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

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

func printJSON(w io.Writer, v any) error { return writeJSON(w, v, "  ") }

func printLine(w io.Writer, v any) error { return writeJSON(w, v, "") }

func writeJSON(w io.Writer, v any, indent string) error {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, ui.EscapeJSON(text.String()))
	return err
}

// printParagraph prints a line of text, wrapped on a terminal.
func (a *app) printParagraph(text string) error {
	_, err := io.WriteString(a.out, strings.Join(ui.Paragraph(ui.Clean(text), a.outWidth()), "\n")+"\n")
	return err
}

// fields prints names and values, one to a line, the values in one column. A value
// that does not fit is wrapped within it, or stands below its name if only so it
// stays in one piece, for copying.
func (a *app) fields(w io.Writer, pairs ...string) error {
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
		text := ui.Clean(pairs[i+1])
		lines := []string{text}
		indent := strings.Repeat(" ", len(name))
		if room := a.outWidth() - len(name); room > 0 && utf8.RuneCountInString(text) > room {
			if lines = ui.Wrap(text, room); !strings.Contains(text, " ") {
				name, indent, lines = strings.TrimRight(name, " ")+"\n  ", "  ", ui.Wrap(text, a.outWidth()-2)
			}
		}
		if _, err := io.WriteString(w, name+strings.Join(lines, "\n"+indent)+"\n"); err != nil {
			return err
		}
	}
	return nil
}
