package ui

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Counts is how far a job is, as the hub counts.
type Counts struct {
	Total, Succeeded, Failed, Running, Pending int
}

// Done is the number of devices that the hub is through with.
func (c Counts) Done() int { return c.Succeeded + c.Failed }

// Progress is one picture of a job for the line of progress.
type Progress struct {
	State  string // the job's state, such as "running"
	Word   string // what the hub's succeeded means here: "answered", "updated"
	Counts Counts
	Rate   float64       // devices a second; 0: not known
	Left   time.Duration // time left; 0: not known
}

const (
	narrowestBar = 8
	widestBar    = 30
)

// Line draws p in at most width characters: a bar and as much of the rest as
// fits, the most telling first.
func (p Progress) Line(width int) string {
	if p.Counts.Total == 0 {
		return Cut(p.State, width)
	}
	done := fmt.Sprintf("%d/%d", p.Counts.Done(), p.Counts.Total)
	fields := p.fields()
	for {
		text := strings.Join(append([]string{done}, texts(fields)...), "  ")
		room := width - utf8.RuneCountInString(text) - len("[] ")
		if room >= narrowestBar {
			return bar(p.Counts, min(room, widestBar)) + " " + text
		}
		if len(fields) == 0 {
			return Cut(done, width)
		}
		fields = dropLeast(fields)
	}
}

// Plain is p as a line of a log.
func (p Progress) Plain() string {
	if p.Counts.Total == 0 {
		return p.State
	}
	return p.State + ": " + strings.Join(append([]string{fmt.Sprintf("%d/%d", p.Counts.Done(), p.Counts.Total)}, texts(p.counts())...), ", ")
}

// field is a part of the line; the one of the lowest rank goes first where there
// is no room.
type field struct {
	text string
	rank int
}

func (p Progress) counts() []field {
	return []field{
		{fmt.Sprintf("%d %s", p.Counts.Succeeded, p.Word), 3},
		{fmt.Sprintf("%d failed", p.Counts.Failed), 5},
		{fmt.Sprintf("%d running", p.Counts.Running), 2},
		{fmt.Sprintf("%d pending", p.Counts.Pending), 1},
	}
}

func (p Progress) fields() []field {
	fields := p.counts()
	if p.Rate > 0 {
		fields = append(fields, field{rate(p.Rate), 0})
	}
	if p.Left > 0 {
		fields = append(fields, field{Duration(p.Left) + " left", 4})
	}
	return fields
}

func dropLeast(fields []field) []field {
	least := 0
	for i, f := range fields {
		if f.rank < fields[least].rank {
			least = i
		}
	}
	return append(fields[:least:least], fields[least+1:]...)
}

func texts(fields []field) []string {
	var t []string
	for _, f := range fields {
		t = append(t, f.text)
	}
	return t
}

func bar(c Counts, width int) string {
	filled := width * c.Done() / c.Total
	filled = min(max(filled, 0), width)
	return "[" + strings.Repeat("#", filled) + strings.Repeat("-", width-filled) + "]"
}

func rate(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.1f/s", r)
	}
	return fmt.Sprintf("%.0f/s", r)
}

// Duration writes d for a person: "9 s", "2 min 5 s", "1 h 3 min".
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", s/60, s%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", s/3600, s%3600/60), " 0 min")
}
