package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
)

var updateGolden = flag.Bool("update", false, "write the golden files of this package")

const mixedDoors = `[
	{"id":"front","does":"ok","door":{"position":"locked","source":"sensor","secured":true,"doorOpen":false,"lockChangedAt":"2025-01-28T09:00:00Z","tagBuilding":"43","desiredFloor":3,"tagRoom":"A"}},
	{"id":"vault","does":"ok","door":{"position":"locked","secured":false,"doorOpen":true,"forced":true,"forcedAt":"2025-01-27T23:59:00Z","fault":"the door was opened while it was locked","tagBuilding":"43","desiredFloor":-1}},
	{"id":"attic","does":"offline","door":{"position":"locked","secured":true,"lastActivityTime":"2025-01-28T14:02:00Z","lockChangedAt":"2025-01-28T09:00:00Z","tagBuilding":"43","desiredFloor":9}},
	{"id":"delivery-north","does":"ok","door":{"position":"unlocked","secured":false,"doorOpen":false,"releasedUntil":"2025-01-28T18:00:00Z","lockChangedAt":"2025-01-28T15:00:00Z"}}]`

// TestDoorsOnATerminal checks the colours of the states and the layout on a wide and on a
// narrow terminal. Only a secured door is green; an offline door is grey.
func TestDoorsOnATerminal(t *testing.T) {
	var b bytes.Buffer
	for _, width := range []int{80, 40} {
		hub := startFakeHub(t, mixedDoors)
		a, out, errOut := terminalApp(t, hub, width, strings.NewReader(""))
		if got := run(t.Context(), a, []string{"doors"}); got != exitOK {
			t.Fatalf("status %d: %s", got, errOut)
		}

		text := out.String()
		plain := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[90m", "", "\x1b[0m", "").Replace(text)
		for line := range strings.Lines(plain) {
			if n := ui.Width(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d cells at width %d: %s", n, width, line)
			}
		}
		if got := strings.Count(text, "\x1b[32m"); got != 1 || !strings.Contains(text, "\x1b[32mlocked\x1b[0m") {
			t.Errorf("%d green cells at width %d, want only the state of the door front", got, width)
		}
		b.WriteString(strings.ReplaceAll(text, "\x1b", "ESC"))
	}

	const file = "testdata/doors.txt"
	if *updateGolden {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || b.String() != string(want) {
		t.Errorf("the doors are\n%s\nwant (go test -update writes the file)\n%s, %v", &b, want, err)
	}
}

func TestShortTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	a := &app{local: zone, now: func() time.Time { return time.Date(2026, 11, 28, 23, 30, 0, 0, time.UTC) }}

	for text, want := range map[string]string{
		"2026-11-28T23:05:00Z": "00:05", "2026-11-29T03:05:00Z": "04:05", "2026-11-28T22:59:59Z": "28 Nov 23:59", "2025-12-31T12:00:00Z": "2025-12-31", "0001-01-01T00:00:00Z": "",
	} {
		at, err := time.Parse(time.RFC3339, text)
		if got := a.shortTime(at); err != nil || got != want {
			t.Errorf("%s is %q, want %q; %v", text, got, want, err)
		}
	}
}
