package ui

import (
	"io"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/termtext"
)

// plainInterval is the minimum time between two progress lines in a file or pipe. It
// does not delay the last line of a job.
const plainInterval = time.Second

// Printer shows the progress of one job. On a terminal it redraws one line. In a file
// or pipe it prints a new line for each change. Only one goroutine may use a Printer.
type Printer struct {
	W     io.Writer
	Width func() int // width of the terminal; nil if W is not a terminal

	drawn  int       // number of cells of the progress line on the terminal
	last   string    // the line printed last, if W is not a terminal
	lastAt time.Time // time at which last was printed

	first     Counts // counts of the job when Show saw it running for the first time
	firstAt   time.Time
	haveFirst bool
}

// Show prints the job's current progress. It computes the rate and the time left from
// the devices that have finished since the first call.
func (p *Printer) Show(now time.Time, v Progress) {
	v.State = termtext.Clean(v.State)
	p.estimate(now, &v)
	if p.Width == nil {
		p.showPlain(now, v)
		return
	}

	line := v.Line(max(p.Width()-1, minBarWidth))
	width := Width(line)
	io.WriteString(p.W, "\r"+line+strings.Repeat(" ", max(0, p.drawn-width)))
	p.drawn = width
}

// showPlain prints the progress on a new line if it has changed and the minimum
// interval has passed. The last line of a job does not wait for the interval.
func (p *Printer) showPlain(now time.Time, v Progress) {
	line := v.Plain()
	tooSoon := !p.lastAt.IsZero() && now.Sub(p.lastAt) < plainInterval && v.Counts.Done() < v.Counts.Total
	if line == p.last || tooSoon {
		return
	}

	p.last, p.lastAt = line, now
	io.WriteString(p.W, line+"\n")
}

// Note erases the progress line and prints the given lines instead.
func (p *Printer) Note(lines ...string) {
	p.Clear()
	for _, line := range lines {
		io.WriteString(p.W, termtext.Clean(line)+"\n")
	}
}

// Clear erases the progress line of a terminal.
func (p *Printer) Clear() {
	if p.drawn > 0 {
		io.WriteString(p.W, "\r"+strings.Repeat(" ", p.drawn)+"\r")
		p.drawn = 0
	}
}

// estimate computes the rate and the time left of a job. Both are 0 until half a
// second has passed and at least one device has finished.
func (p *Printer) estimate(now time.Time, v *Progress) {
	if v.Counts.Total == 0 {
		return
	}

	if !p.haveFirst {
		p.first, p.firstAt, p.haveFirst = v.Counts, now, true
		return
	}

	done, seconds := v.Counts.Done()-p.first.Done(), now.Sub(p.firstAt).Seconds()
	if done <= 0 || seconds < 0.5 {
		return
	}

	v.Rate = float64(done) / seconds
	if left := v.Counts.Total - v.Counts.Done(); left > 0 {
		v.Left = time.Duration(float64(left) / v.Rate * float64(time.Second)).Round(time.Second)
	}
}
