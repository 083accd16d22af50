package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/latchd/latchd/transport/iothub"
)

// statusCommand prints the status of the running agent as text or JSON.
func statusCommand(file, format string, stdout io.Writer) error {
	status, err := askStatus(file)
	if err != nil {
		return err
	}

	if format == "json" {
		return writeJSON(stdout, status)
	}
	return showStatus(stdout, status)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// showStatus prints the status as a table. It omits lines without a value.
func showStatus(w io.Writer, status iothub.Object) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, text string) {
		if text = strings.TrimSpace(text); text != "" {
			fmt.Fprintf(table, "%s:\t%s\n", name, text)
		}
	}
	value := func(path ...string) string { return textAt(status, path...) }
	since := func(path ...string) string {
		t, err := time.Parse(time.RFC3339Nano, value(path...))
		if err != nil {
			return ""
		}
		return " since " + t.Local().Format("2006-01-02 15:04:05")
	}

	line("Bolt", fmt.Sprintf("%s (%s)%s", value("lock", "position"), value("lock", "source"), since("lock", "changedAt")))
	line("Fault", value("lock", "fault"))
	switch value("door", "open") {
	case "true":
		line("Door", "open"+since("door", "changedAt"))
	case "false":
		line("Door", "closed"+since("door", "changedAt"))
	}
	line("Lock", fmt.Sprintf("driver %s, mode %s", value("lock", "driver"), value("lock", "mode")))
	if name := value("lock", "lastCommand", "name"); name != "" {
		line("Last command", fmt.Sprintf("%s: %s%s %s", name, value("lock", "lastCommand", "status"), since("lock", "lastCommand", "at"), value("lock", "lastCommand", "reason")))
	}

	if value("connected") == "true" {
		line("Hub", "connected"+since("link", "connectedAt"))
	} else {
		line("Hub", "not connected")
	}
	problems, _ := status["problems"].([]any)
	for _, problem := range problems {
		line("Problem", printable(fmt.Sprint(problem)))
	}
	line("Last link ended", value("link", "lastError"))

	line("Place", strings.Join(strings.Fields(fmt.Sprint(value("building", "value"), " ", value("floor", "value"), " ", value("room", "value"))), ", "))
	line("Agent", fmt.Sprintf("%s%s", value("agent", "version"), since("agent", "startedAt")))
	line("Methods", fmt.Sprintf("%s, %s refused", value("counters", "methods"), value("counters", "methodsRefused")))
	line("Links", value("counters", "links"))
	return table.Flush()
}

// textAt returns the text of a nested member of an object, or "" if there is none. It
// removes non-printable characters, because some texts come from the hub and must not
// control the terminal.
func textAt(o map[string]any, path ...string) string {
	var v any = o
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}

	switch v := v.(type) {
	case nil, map[string]any:
		return ""
	case string:
		return printable(v)
	default:
		return fmt.Sprint(v)
	}
}

// printable returns a text without the characters that could control a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}
