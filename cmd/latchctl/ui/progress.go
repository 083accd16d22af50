package ui

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// plainInterval is the minimum time between two progress lines when the output is
// not a terminal. The last line of a job is printed at once.
const plainInterval = time.Second

// Printer shows the progress of one job. On a terminal it redraws one line. On any
// other output it prints a new line for each change. A Printer must be used by one
// goroutine only.
type Printer struct {
	W     io.Writer
	Width func() int // width of the terminal; nil if W is not a terminal

	drawn  int       // number of characters on the redrawn line
	last   string    // previous line, if W is not a terminal
	lastAt time.Time // when last was printed

	first     Counts // counts when the job was first seen running
	firstAt   time.Time
	haveFirst bool
}

// Show prints the progress v. It computes the rate and the time left from the
// moment at which the job was first seen running.
func (p *Printer) Show(now time.Time, v Progress) {
	p.estimate(now, &v)
	if p.Width == nil {
		p.showPlain(now, v)
		return
	}

	line := Clean(v.Line(max(p.Width()-1, minBarWidth)))
	width := utf8.RuneCountInString(line)
	io.WriteString(p.W, "\r"+line+strings.Repeat(" ", max(0, p.drawn-width)))
	p.drawn = width
}

// showPlain prints v as a new line if it has changed and the minimum interval has
// passed. A job that has no device left is printed at once.
func (p *Printer) showPlain(now time.Time, v Progress) {
	line := v.Plain()
	tooSoon := !p.lastAt.IsZero() && now.Sub(p.lastAt) < plainInterval && v.Counts.Done() < v.Counts.Total
	if line == p.last || tooSoon {
		return
	}

	p.last, p.lastAt = line, now
	io.WriteString(p.W, Clean(line)+"\n")
}

// Note erases the progress line and prints the given lines in its place.
func (p *Printer) Note(lines ...string) {
	p.Clear()
	for _, line := range lines {
		io.WriteString(p.W, Clean(line)+"\n")
	}
}

// Clear erases the progress line of a terminal.
func (p *Printer) Clear() {
	if p.drawn > 0 {
		io.WriteString(p.W, "\r"+strings.Repeat(" ", p.drawn)+"\r")
		p.drawn = 0
	}
}

// estimate sets the rate and the time left of v. Both stay 0 until half a second has
// passed and a device has finished.
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
