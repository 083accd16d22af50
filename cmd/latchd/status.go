package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
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
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}

	_, err = io.WriteString(w, termtext.EscapeJSON(string(text))+"\n")
	return err
}

// showStatus prints the status as a table. It omits lines without a value.
func showStatus(w io.Writer, status iothub.Object) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	v := statusView{status, table}

	v.showDoor()
	v.showAlarms()
	v.showHub()
	v.showAgent()
	return table.Flush()
}

// statusView prints parts of the agent's status as lines of a table.
type statusView struct {
	status iothub.Object
	table  io.Writer
}

func (v statusView) line(name, text string) {
	if text = strings.TrimSpace(text); text != "" {
		fmt.Fprintf(v.table, "%s:\t%s\n", name, termtext.Clean(text))
	}
}

func (v statusView) value(path ...string) string { return textAt(v.status, path...) }

func (v statusView) is(path ...string) bool { return v.value(path...) == "true" }

// time returns the time at path in the local time zone, or "" if there is none.
func (v statusView) time(path ...string) string {
	t, err := time.Parse(time.RFC3339Nano, v.value(path...))
	if err != nil {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func (v statusView) since(path ...string) string {
	if t := v.time(path...); t != "" {
		return " since " + t
	}
	return ""
}

// showDoor prints where bolt and door are, and what the lock will do next.
func (v statusView) showDoor() {
	v.line("Secured", v.secured())
	v.line("Bolt", fmt.Sprintf("%s (%s)%s", v.value("lock", "position"), v.value("lock", "source"), v.since("lock", "changedAt")))
	switch v.value("door", "open") {
	case "true":
		v.line("Door", "open"+v.since("door", "changedAt"))
	case "false":
		v.line("Door", "closed"+v.since("door", "changedAt"))
	}

	switch until := v.time("lock", "releasedUntil"); {
	case v.is("lock", "hold"):
		v.line("Unlocked", "until the next lock command")
	case until != "" && v.is("door", "open"):
		v.line("Unlocked", "until "+until+"; then the lock waits for the door to close")
	case until != "":
		v.line("Unlocked", "until "+until)
	}
	v.line("Waiting", v.waiting())
	if v.is("lock", "lockdown") {
		v.line("Lockdown", "on; only an exit unlocks the door")
	}

	if driver := v.value("lock", "driver"); driver != "" {
		v.line("Lock", fmt.Sprintf("driver %s, mode %s", driver, v.value("lock", "mode")))
	}
	if name := v.value("lock", "lastCommand", "name"); name != "" {
		v.line("Last command", fmt.Sprintf("%s at %s: %s %s", name, v.time("lock", "lastCommand", "at"),
			v.value("lock", "lastCommand", "status"), v.value("lock", "lastCommand", "reason")))
	}
}

// secured says whether the door is secured and, if it is not, what is missing.
func (v statusView) secured() string {
	position := v.value("lock", "position")
	switch {
	case v.is("lock", "secured"):
		return "yes"
	case position == "locked":
		return "no: the bolt is locked, but the door is open"
	case position == "":
		return ""
	}
	return "no: the bolt is " + position
}

// waiting says what a promised lock waits for. It returns "" if no lock is promised.
func (v statusView) waiting() string {
	until := v.time("lock", "releasedUntil")
	switch {
	case !v.is("lock", "pending"):
		return ""
	case v.is("door", "open"):
		return "a lock command, until the door is closed"
	case until != "":
		return "a lock command, until the person who is leaving has left, at the latest at " + until
	}
	return "a lock command, for a moment"
}

// showAlarms prints alarms and faults, with what to do about them.
func (v statusView) showAlarms() {
	switch {
	case v.is("door", "forced"):
		v.line("Forced", strings.TrimPrefix(v.since("door", "lastForcedAt")+"; close and lock the door to end the alarm", "; "))
	default:
		v.line("Last forced", v.time("door", "lastForcedAt"))
	}
	if v.is("door", "heldOpen") {
		v.line("Held open", "the door has been open for longer than heldOpenSeconds; close it")
	}
	if v.is("door", "exitStuck") {
		v.line("Exit input", "stuck; check the button and its wiring")
	}
	v.line("Fault", v.value("lock", "fault"))
}

// showHub prints the connection to the hub, and why it does not work.
func (v statusView) showHub() {
	failure := v.value("hubFailure")
	switch {
	case v.is("connected"):
		v.line("Hub", "connected"+v.since("link", "connectedAt"))
	case failure != "":
		v.line("Hub", "not connected: "+failure)
	default:
		v.line("Hub", "not connected")
	}

	for _, text := range twinTroubles(v.status) {
		v.line("Twin", text)
	}
	problems, _ := v.status["problems"].([]any)
	for _, problem := range problems {
		v.line("Problem", fmt.Sprint(problem))
	}
	v.line("Last link ended", v.value("link", "lastError"))
}

// twinTroubles says in words why the device twin is not up to date.
func twinTroubles(status iothub.Object) []string {
	var texts []string
	if failure := textAt(status, "twin", "failure"); failure != "" {
		texts = append(texts, "not up to date; the agent tries again: "+failure)
	}

	twin, _ := status["twin"].(map[string]any)
	refused, _ := twin["refused"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		texts = append(texts, fmt.Sprintf("the hub refuses the reported property %s: %s", termtext.Clean(name), textAt(refused, name)))
	}
	return texts
}

// showAgent prints where the agent is and how long it has been running.
func (v statusView) showAgent() {
	place := fmt.Sprint(v.value("building", "value"), " ", v.value("floor", "value"), " ", v.value("room", "value"))
	v.line("Place", strings.Join(strings.Fields(place), ", "))
	v.line("Agent", v.value("agent", "version")+v.since("agent", "startedAt"))
	if methods := v.value("counters", "methods"); methods != "" {
		v.line("Methods", fmt.Sprintf("%s, %s refused", methods, v.value("counters", "methodsRefused")))
	}
	v.line("Links", v.value("counters", "links"))
	if n := v.value("counters", "retainedIgnored"); n != "" && n != "0" {
		v.line("Replays", n+" retained messages ignored; the hub or something before it repeats old messages")
	}
}

// textAt returns the text of a nested member of an object, or "" if there is none. The
// text is safe to print, because some texts come from the hub and must not control the
// terminal.
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
		return termtext.Clean(v)
	default:
		return fmt.Sprint(v)
	}
}
