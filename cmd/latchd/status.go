package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/transport/iothub"
)

// statusCommand shows how the running agent is.
func statusCommand(file, format string, stdout io.Writer) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	status, err := askStatus(c.StateDir)
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

// showStatus writes the status for a person. What is not known is left out.
func showStatus(w io.Writer, status iothub.Object) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, text string) {
		if text = strings.TrimSpace(text); text != "" {
			fmt.Fprintf(table, "%s:\t%s\n", name, text)
		}
	}
	at := func(path ...string) string { return textAt(status, path...) }
	since := func(path ...string) string {
		t, err := time.Parse(time.RFC3339Nano, at(path...))
		if err != nil {
			return ""
		}
		return " since " + t.Local().Format("2006-01-02 15:04:05")
	}
	line("Bolt", fmt.Sprintf("%s (%s)%s", at("lock", "position"), at("lock", "source"), since("lock", "changedAt")))
	line("Fault", at("lock", "fault"))
	line("Door", map[string]string{"true": "open" + since("door", "changedAt"), "false": "closed" + since("door", "changedAt")}[at("door", "open")])
	line("Lock", fmt.Sprintf("driver %s, mode %s", at("lock", "driver"), at("lock", "mode")))
	if name := at("lock", "lastCommand", "name"); name != "" {
		line("Last command", fmt.Sprintf("%s: %s%s %s", name, at("lock", "lastCommand", "status"), since("lock", "lastCommand", "at"), at("lock", "lastCommand", "reason")))
	}
	if at("connected") == "true" {
		line("Hub", "connected"+since("link", "connectedAt"))
	} else {
		line("Hub", "not connected")
	}
	line("Last link ended", at("link", "lastError"))
	line("Place", strings.Join(strings.Fields(fmt.Sprint(at("building", "value"), " ", at("floor", "value"), " ", at("room", "value"))), ", "))
	line("Agent", fmt.Sprintf("%s%s", at("agent", "version"), since("agent", "startedAt")))
	line("Methods", fmt.Sprintf("%s, %s refused", at("counters", "methods"), at("counters", "methodsRefused")))
	line("Links", at("counters", "links"))
	return table.Flush()
}

// printed is r, or nothing for what is not printed.
func printed(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return -1
}

// textAt returns the text of a member of a member of an object, for a terminal: some
// of it came over the hub, and what is not printed in it is left out.
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
		return strings.Map(printed, v)
	default:
		return fmt.Sprint(v)
	}
}
