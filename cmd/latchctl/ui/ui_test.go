package ui

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/termtext"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata. With the test flag -update it writes got
// to the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestBar draws the progress of jobs at the usual widths of terminals.
func TestBar(t *testing.T) {
	t.Parallel()
	pictures := []Progress{
		{State: "queued"},
		{State: "running", Word: "reached", Counts: Counts{Total: 3, Running: 3}},
		{State: "running", Word: "reached", Counts: Counts{Total: 40, Succeeded: 11, Failed: 1, Running: 8, Pending: 20}, Rate: 3.21, Left: 9 * time.Second},
		{State: "running", Word: "updated", Counts: Counts{Total: 10000, Succeeded: 9871, Failed: 12, Running: 100, Pending: 17}, Rate: 812.4, Left: 125 * time.Second},
		{State: "completed", Word: "reached", Counts: Counts{Total: 10000, Succeeded: 9988, Failed: 12}},
		{State: "running", Word: "reached", Counts: Counts{Total: 2, Succeeded: 3}}, // the hub's counts exceed the number of devices
	}

	for _, width := range []int{12, 40, 80, 120} {
		var b strings.Builder
		for _, p := range pictures {
			line := p.Line(width)
			if n := Width(line); n > width {
				t.Errorf("%d characters at width %d: %s", n, width, line)
			}
			fmt.Fprintln(&b, line)
		}
		golden(t, fmt.Sprintf("bar-%d.txt", width), b.String())
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := &Table{Head: []string{"DEVICE", "RESULT", "REASON/ANSWER"}, WrapLast: true}
	table.Add("side", "refused", "500 jammed: the bolt did not arrive within 4 s; the sensor says neither locked nor unlocked")
	table.Add("a-door-with-a-very-long-name-indeed-which-happens", "succeeded", `200 {"position":"locked","confirmed":true,"changed":true,"tookMs":412}`)
	table.Add("evil", "offline", "two\nlines, \x1b[31mred\x1b[0m and a bell\a")
	table.Add("short")

	for _, width := range []int{0, 40, 80} {
		var b bytes.Buffer
		if err := table.Write(&b, width, false); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := Width(strings.TrimSuffix(line, "\n")); width > 0 && n > width {
				t.Errorf("%d characters at width %d: %s", n, width, line)
			}
		}
		if strings.ContainsAny(b.String(), "\x1b\a") {
			t.Error("a device's control character reached the output")
		}
		golden(t, fmt.Sprintf("table-%d.txt", width), b.String())
	}
}

// A device chooses its texts. None of them can draw the row of another device: the table
// shows each text within its own cells, at every width of the terminal.
func TestHostileTable(t *testing.T) {
	t.Parallel()
	forged := []string{
		"vault   locked",                                    // a gap like the one between columns
		"vault\u00a0\u00a0\u00a0locked",                     // a gap of no-break spaces
		"vault\u3164\u3164locked",                           // a gap of invisible letters
		strings.Repeat("漢", 12) + "vault\u00a0\u00a0locked", // wide characters, after which the terminal begins a new line
		strings.Repeat("🚪", 12) + "\u2003vault locked",
		"\x1b[1A\x1b[2Kvault  locked",
		"\rvault  locked",
		"\u202edekcol  tluav",
		"vault\u200b\u200b\u200blocked",
	}

	for _, text := range forged {
		table := &Table{Head: []string{"DEVICE", text}, WrapLast: true}
		table.Add("evil", text)
		table.Add("next", "unlocked")

		for _, width := range []int{0, 24, 40, 80} {
			var b bytes.Buffer
			if err := table.Write(&b, width, false); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if clean := termtext.Clean(line); clean != line {
					t.Errorf("%+q at width %d has unsafe characters: %+q", text, width, line)
				}
				if n := Width(line); width > 0 && n > width {
					t.Errorf("%+q needs %d cells at width %d: %s", text, n, width, line)
				}
				if strings.HasPrefix(line, "vault") || strings.Contains(line, "vault  ") {
					t.Errorf("%+q at width %d draws cells of the device vault: %s", text, width, line)
				}
			}
		}
	}
}

// If a table is too wide, it first loses its optional columns. If it is still too wide,
// each row becomes a block.
func TestNarrowTable(t *testing.T) {
	t.Parallel()
	jobs := &Table{Head: []string{"JOB", "STATUS", "START", "DEVICES", "WHAT"}, Optional: []int{4, 2}}
	jobs.Add("lock-20261124-122717-0be73f46", "completed", "2026-11-24 12:27:17", "30", "lockDoor")
	jobs.Add("ping", "queued", "-", "1", "ping")
	rows := &Table{Head: []string{"deviceId", "status", "properties"}, CutAny: true}
	rows.Add("front", "enabled", `{"desired":{},"reported":{"agent":{"startedAt":"2026-11-24T12:21:00.686Z"}}}`)

	var b bytes.Buffer
	for _, table := range []*Table{jobs, rows} {
		for _, width := range []int{100, 80, 60, 24} {
			fmt.Fprintf(&b, "%d columns:\n", width)
			start := b.Len()
			if err := table.Write(&b, width, false); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()[start:]) {
				if n := Width(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%d characters at width %d: %s", n, width, line)
				}
			}
		}
	}
	golden(t, "table-narrow.txt", b.String())
}

func TestParagraph(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"a b c", 0, "a b c"}, {"aaa bbb ccc", 11, "aaa bbb ccc"}, {"aaa bbb ccc ddd", 8, "aaa bbb|  ccc|  ddd"}, {"aaaaaaaa", 4, "aaaa|  aa|  aa"}, {"ää öö", 3, "ää|  ö|  ö"},
	} {
		if got := strings.Join(Paragraph(tt.text, tt.width), "|"); got != tt.want {
			t.Errorf("Paragraph(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

func TestTableStyles(t *testing.T) {
	t.Parallel()
	table := &Table{Head: []string{"A", "B"}, Style: func(column int, text string) string {
		return map[string]string{"bad": "31"}[text]
	}}
	table.Add("bad", "x")

	var plain, color bytes.Buffer
	table.Write(&plain, 0, false)
	table.Write(&color, 0, true)
	if plain.String() != "A    B\nbad  x\n" || color.String() != "A    B\n\x1b[31mbad\x1b[0m  x\n" {
		t.Errorf("plain %q, coloured %q", plain.String(), color.String())
	}

	table.Add("bad", "old")
	table.RowStyle = func(row int) string { return []string{"", "90"}[row] }
	color.Reset()
	table.Write(&color, 0, true)
	if want := "A    B\n\x1b[31mbad\x1b[0m  x\n\x1b[90mbad\x1b[0m  \x1b[90mold\x1b[0m\n"; color.String() != want {
		t.Errorf("with a grey row: %q, want %q", color.String(), want)
	}
}

func TestPrinterWithoutTerminal(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := &Printer{W: &b}
	now := time.Unix(0, 0)
	show := func(after time.Duration, done int) {
		now = now.Add(after)
		p.Show(now, Progress{State: "running", Word: "reached", Counts: Counts{Total: 4, Succeeded: done, Running: 4 - done}})
	}

	show(0, 0)
	show(100*time.Millisecond, 1) // too soon
	show(500*time.Millisecond, 2) // too soon
	show(500*time.Millisecond, 2)
	show(2*time.Second, 2) // nothing has changed
	show(100*time.Millisecond, 3)
	show(100*time.Millisecond, 4) // the last line is printed at once
	show(0, 4)

	want := "running: 0/4, 0 reached, 0 not reached, 4 running, 0 to go\n" +
		"running: 2/4, 2 reached, 0 not reached, 2 running, 0 to go\n" +
		"running: 3/4, 3 reached, 0 not reached, 1 running, 0 to go\n" +
		"running: 4/4, 4 reached, 0 not reached, 0 running, 0 to go\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestPrinterOnTerminal(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := &Printer{W: &b, Width: func() int { return 60 }}
	now := time.Unix(0, 0)

	p.Show(now, Progress{State: "scheduled for 12:00"})
	p.Show(now.Add(time.Second), Progress{State: "queued"})
	p.Note("note: lost")
	p.Show(now.Add(2*time.Second), Progress{State: "running", Word: "reached", Counts: Counts{Total: 4, Running: 4}})
	p.Show(now.Add(4*time.Second), Progress{State: "running", Word: "reached", Counts: Counts{Total: 4, Succeeded: 1, Running: 3}})
	p.Clear()

	want := "\rscheduled for 12:00" +
		"\rqueued             " +
		"\r      \rnote: lost\n" +
		"\r[----------------] 0/4  0 reached  0 not reached  4 running" +
		"\r[####-------------] 1/4  1 reached  0 not reached  6 s left" +
		"\r" + strings.Repeat(" ", 59) + "\r"
	if b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
}

func TestWrapAndCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"a b c", 10, "a b c"}, {"aaa bbb ccc", 7, "aaa bbb|ccc"}, {"aaaaaaaaaa", 4, "aaaa|aaaa|aa"}, {"", 4, ""}, {"abc", 0, "a|b|c"}, {"ää öö", 2, "ää|öö"}, {"漢字漢字", 5, "漢字|漢字"}, {"漢", 1, "漢"}, {"a, 漢字漢字", 7, "a,|漢字漢|字"},
	} {
		if got := strings.Join(Wrap(tt.text, tt.width), "|"); got != tt.want {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}

	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöü", 2, "ä…"}, {"ab", 1, "…"}, {"ab", 0, ""}, {"漢字漢", 5, "漢字…"}, {"漢字漢", 4, "漢…"}, {"漢字", 2, "…"}} {
		if got := Cut(tt.text, tt.width); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "door": 4, "Türe": 4, "漢字": 4, "ｆｕｌｌ": 8, "🚪": 2, "e\u0301": 1, "한글": 4, "ｶﾅ": 2, "🇩🇪": 4, "…": 1,
	} {
		if got := Width(text); got != want {
			t.Errorf("Width(%q) = %d, want %d", text, got, want)
		}
	}
}
