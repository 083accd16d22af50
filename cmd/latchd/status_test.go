package main

import (
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
)

// What 'latchd status' prints for a technician. Times in the expected text are in UTC;
// the program prints the local time.
func TestStatus(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ status, want string }{
		"locked and connected": {
			`{"lock":{"position":"locked","source":"sensor","changedAt":"2026-11-24T10:00:00Z","secured":true,"hold":false,"pending":false,
			"lockdown":false,"driver":"gpio","mode":"hold","lastCommand":{"name":"lockDoor","status":200,"at":"2026-11-24T10:00:00Z","reason":"night"}},
			"door":{"open":false,"changedAt":"2026-11-24T09:59:00Z","forced":false,"heldOpen":false},
			"connected":true,"link":{"connectedAt":"2026-11-24T08:00:00Z"},"building":{"value":"43"},"floor":{"value":3},
			"agent":{"version":"1.2.3","startedAt":"2026-11-24T07:00:00Z"},"counters":{"methods":7,"methodsRefused":1,"links":2,"retainedIgnored":3}}`, `
Secured:       yes
Bolt:          locked (sensor) since 2026-11-24T10:00:00Z
Door:          closed since 2026-11-24T09:59:00Z
Lock:          driver gpio, mode hold
Last command:  lockDoor at 2026-11-24T10:00:00Z: 200 night
Hub:           connected since 2026-11-24T08:00:00Z
Place:         43, 3
Agent:         1.2.3 since 2026-11-24T07:00:00Z
Methods:       7, 1 refused
Links:         2
Replays:       3 retained messages ignored; the hub or something before it repeats old messages
`},
		"a release": {
			`{"lock":{"position":"unlocked","source":"sensor","secured":false,"releasedUntil":"2026-11-24T10:05:00Z"},"door":{"open":false}}`, `
Secured:   no: the bolt is unlocked
Bolt:      unlocked (sensor)
Door:      closed
Unlocked:  until 2026-11-24T10:05:00Z
Hub:       not connected
`},
		"a release, and the door is open": {
			`{"lock":{"position":"unlocked","source":"sensor","secured":false,"releasedUntil":"2026-11-24T10:05:00Z"},"door":{"open":true}}`, `
Secured:   no: the bolt is unlocked
Bolt:      unlocked (sensor)
Door:      open
Unlocked:  until 2026-11-24T10:05:00Z; then the lock waits for the door to close
Hub:       not connected
`},
		"a hold": {
			`{"lock":{"position":"unlocked","source":"assumed","secured":false,"hold":true}}`, `
Secured:   no: the bolt is unlocked
Bolt:      unlocked (assumed)
Unlocked:  until the next lock command
Hub:       not connected
`},
		"a lock command waits for the door": {
			`{"lock":{"position":"unlocked","source":"sensor","secured":false,"pending":true,"lockdown":true},"door":{"open":true}}`, `
Secured:   no: the bolt is unlocked
Bolt:      unlocked (sensor)
Door:      open
Waiting:   a lock command, until the door is closed
Lockdown:  on; only an exit unlocks the door
Hub:       not connected
`},
		"a lock command waits for a person who is leaving": {
			`{"lock":{"position":"unlocked","source":"sensor","secured":false,"pending":true,"releasedUntil":"2026-11-24T10:05:00Z"},"door":{"open":false}}`, `
Secured:   no: the bolt is unlocked
Bolt:      unlocked (sensor)
Door:      closed
Unlocked:  until 2026-11-24T10:05:00Z
Waiting:   a lock command, until the person who is leaving has left, at the latest at 2026-11-24T10:05:00Z
Hub:       not connected
`},
		"alarms": {
			`{"lock":{"position":"locked","source":"sensor","secured":false,"fault":"the door was forced; the exit input has been active for over 30s"},
			"door":{"open":true,"forced":true,"lastForcedAt":"2026-11-24T10:00:00Z","heldOpen":true,"exitStuck":true}}`, `
Secured:     no: the bolt is locked, but the door is open
Bolt:        locked (sensor)
Door:        open
Forced:      since 2026-11-24T10:00:00Z; close and lock the door to end the alarm
Held open:   the door has been open for longer than heldOpenSeconds; close it
Exit input:  stuck; check the button and its wiring
Fault:       the door was forced; the exit input has been active for over 30s
Hub:         not connected
`},
		"an earlier alarm, a refused login and other problems": {
			`{"lock":{"position":"jammed","source":"sensor","secured":false},"door":{"forced":false,"lastForcedAt":"2026-11-24T10:00:00Z"},
			"connected":false,"hubFailure":"hub at h:8883: it refused the login of device \"door-1\" as not authorized",
			"twin":{"failure":"read the twin: slow down","refused":{"system.kernel":"too long","floor":"too large"}},
			"problems":["latchd.toml:3: unknown key x"],"link":{"lastError":"the connection broke"}}`, `
Secured:          no: the bolt is jammed
Bolt:             jammed (sensor)
Last forced:      2026-11-24T10:00:00Z
Hub:              not connected: hub at h:8883: it refused the login of device "door-1" as not authorized
Twin:             not up to date; the agent tries again: read the twin: slow down
Twin:             the hub refuses the reported property floor: too large
Twin:             the hub refuses the reported property system.kernel: too long
Problem:          latchd.toml:3: unknown key x
Last link ended:  the connection broke
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var status iothub.Object
			if err := json.Unmarshal([]byte(tc.status), &status); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := showStatus(&out, status); err != nil {
				t.Fatal(err)
			}
			if got, want := out.String(), localTimes(t, strings.TrimPrefix(tc.want, "\n")); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// localTimes replaces the times in a text by local times as 'latchd status' prints them.
func localTimes(t *testing.T, text string) string {
	return regexp.MustCompile(`\d{4}-[-:T0-9]+Z`).ReplaceAllStringFunc(text, func(utc string) string {
		at, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			t.Fatal(err)
		}
		return at.Local().Format("2006-01-02 15:04:05")
	})
}

// 'latchd status' and 'latchd check' say why the agent is not connected.
func TestStatusSaysWhyTheAgentIsNotConnected(t *testing.T) {
	t.Parallel()
	hub, err := net.Listen("tcp", "127.0.0.1:0") // closed: each attempt fails at once
	if err != nil {
		t.Fatal(err)
	}
	hub.Close()

	g := newGateway(t, map[string]string{
		"latchd.toml":                   strings.Replace(testConfig, "ENDPOINT", hub.Addr().String(), 1),
		"credentials/connection-string": goodSecret,
	})
	g.start(t)
	const reason = "refused the connection"
	g.await(t, "the status has the reason", func(status map[string]any) bool {
		return strings.Contains(textAt(status, "hubFailure"), reason)
	})

	var status, check strings.Builder
	if err := statusCommand(g.file, "text", &status); err != nil {
		t.Fatal(err)
	}
	checkCommand(t.Context(), g.file, "text", &check)
	for command, text := range map[string]string{"status": status.String(), "check": check.String()} {
		if !strings.Contains(text, reason) {
			t.Errorf("latchd %s does not say %q:\n%s", command, reason, text)
		}
	}
}

// 'latchd status' prints no text of the hub that could control the technician's terminal,
// neither as text nor as JSON.
func TestStatusIsSafeToPrint(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"night\x1b]0;x\x07\nHub: connected", "\u009bm", "\x7f", "a\rb", "\u202egnol oot", "zero\u200bwidth", "\u2028Hub:", "a\u00a0\u3000b", "\u3164", "\U000e0041",
	} {
		status := iothub.Object{
			"lock":     map[string]any{"lastCommand": map[string]any{"name": "lockDoor", "status": 200, "reason": text}},
			"building": map[string]any{"value": text},
			"twin":     map[string]any{"refused": map[string]any{"a" + text: text}, "failure": text},
			"problems": []any{text},
			"link":     map[string]any{"lastError": text},
		}
		var table, json strings.Builder
		if err := errors.Join(showStatus(&table, status), writeJSON(&json, status)); err != nil {
			t.Fatal(err)
		}

		if want := 8; strings.Count(table.String(), "\n") != want { // one line for each fact
			t.Errorf("%+q makes %d lines, want %d:\n%s", text, strings.Count(table.String(), "\n"), want, table.String())
		}
		for format, out := range map[string]string{"text": table.String(), "JSON": json.String()} {
			for line := range strings.Lines(out) {
				line = strings.TrimSuffix(line, "\n")
				if termtext.Clean(line) != line {
					t.Errorf("%+q as %s is not safe to print: %+q", text, format, line)
				}
			}
		}
	}
}
