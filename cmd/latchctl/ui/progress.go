package ui

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// plainPause is the shortest time between two lines where the line cannot be
// redrawn.
const plainPause = time.Second

// Printer shows the progress of one job: one line, redrawn, on a terminal, and
// a line for each change elsewhere. It is used by one goroutine.
type Printer struct {
	W     io.Writer
	Width func() int // of the terminal; nil: W is none

	drawn     int // characters on the line
	said      string
	saidAt    time.Time
	first     Counts
	firstAt   time.Time
	haveFirst bool
}

// Show draws p. Rate and time left are worked out here, from the time at which
// the job was first seen running.
func (p *Printer) Show(now time.Time, v Progress) {
	p.estimate(now, &v)
	if p.Width == nil {
		line := v.Plain()
		if line == p.said || !p.saidAt.IsZero() && now.Sub(p.saidAt) < plainPause && v.Counts.Done() < v.Counts.Total {
			return
		}
		p.said, p.saidAt = line, now
		io.WriteString(p.W, Clean(line)+"\n")
		return
	}
	line := Clean(v.Line(max(p.Width()-1, narrowestBar)))
	width := utf8.RuneCountInString(line)
	io.WriteString(p.W, "\r"+line+strings.Repeat(" ", max(0, p.drawn-width)))
	p.drawn = width
}

// Note prints lines of their own.
func (p *Printer) Note(lines ...string) {
	p.Clear()
	for _, line := range lines {
		io.WriteString(p.W, Clean(line)+"\n")
	}
}

// Clear takes the redrawn line away.
func (p *Printer) Clear() {
	if p.drawn > 0 {
		io.WriteString(p.W, "\r"+strings.Repeat(" ", p.drawn)+"\r")
		p.drawn = 0
	}
}

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
