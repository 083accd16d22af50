package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/words"
)

// Counts holds the hub's device counts for one job.
type Counts struct {
	Total, Succeeded, Failed, Running, Pending int
}

// Done returns the number of devices for which the hub has a result.
func (c Counts) Done() int { return c.Succeeded + c.Failed }

// Progress describes the progress of a job at one moment.
type Progress struct {
	State  string // job state, such as "running"
	Word   string // what has happened to the devices that count as succeeded: "reached" or "updated"
	Counts Counts
	Rate   float64       // devices per second; 0 if not known
	Left   time.Duration // estimated time left; 0 if not known
}

// The minimum and maximum width of the bar, in characters, without its brackets.
const (
	minBarWidth = 8
	maxBarWidth = 30
)

// Line formats the progress as one line of at most width cells: a bar, the
// number of finished devices, and further fields. If the line is too long, it drops
// the least important fields.
func (p Progress) Line(width int) string {
	if p.Counts.Total == 0 {
		return Cut(p.State, width)
	}

	done := fmt.Sprintf("%d/%d", p.Counts.Done(), p.Counts.Total)
	fields := p.fields()

	for {
		text := strings.Join(append([]string{done}, texts(fields)...), "  ")
		barWidth := width - Width(text) - len("[] ")
		if barWidth >= minBarWidth {
			return bar(p.Counts, min(barWidth, maxBarWidth)) + " " + text
		}
		if len(fields) == 0 {
			return Cut(done, width)
		}

		fields = dropLowest(fields)
	}
}

// Plain formats the progress as a log line, without a bar.
func (p Progress) Plain() string {
	if p.Counts.Total == 0 {
		return p.State
	}

	done := fmt.Sprintf("%d/%d", p.Counts.Done(), p.Counts.Total)
	return p.State + ": " + strings.Join(append([]string{done}, texts(p.counts())...), ", ")
}

// field is one part of the progress line. A part with a lower rank is dropped earlier
// if the line is too long.
type field struct {
	text string
	rank int
}

// counts returns the fields with the numbers of devices. A job that has reached a device
// has not necessarily succeeded on it, so the fields do not say "succeeded" or "failed".
func (p Progress) counts() []field {
	return []field{
		{fmt.Sprintf("%d %s", p.Counts.Succeeded, p.Word), 3},
		{fmt.Sprintf("%d not %s", p.Counts.Failed, p.Word), 5},
		{fmt.Sprintf("%d running", p.Counts.Running), 2},
		{fmt.Sprintf("%d to go", p.Counts.Pending), 1},
	}
}

// fields returns the parts of the progress line that follow the number of finished
// devices.
func (p Progress) fields() []field {
	fields := p.counts()
	if p.Rate > 0 {
		fields = append(fields, field{rate(p.Rate), 0})
	}
	if p.Left > 0 {
		fields = append(fields, field{words.Duration(p.Left) + " left", 4})
	}
	return fields
}

func dropLowest(fields []field) []field {
	lowest := 0
	for i, f := range fields {
		if f.rank < fields[lowest].rank {
			lowest = i
		}
	}
	return append(fields[:lowest:lowest], fields[lowest+1:]...)
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
	filled = min(max(filled, 0), width) // a hub may count more devices than the job has

	return "[" + strings.Repeat("#", filled) + strings.Repeat("-", width-filled) + "]"
}

func rate(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.1f/s", r)
	}
	return fmt.Sprintf("%.0f/s", r)
}
