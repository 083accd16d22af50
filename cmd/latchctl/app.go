package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/cmd/latchctl/entra"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/rest"
	"golang.org/x/term"
)

// app is what commands get from the world around them, so that tests can give
// them another.
type app struct {
	in     io.Reader
	out    io.Writer // data
	errOut io.Writer // progress, notes and errors

	inTerminal, outTerminal, errTerminal bool

	width   func() int // of the terminal; 0: not known
	getenv  func(string) string
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	local   *time.Location
	newID   func() string // random letters and digits
	version string

	flags  conn.Flags
	format string // table, json or jsonl
	trace  bool   // show requests and answers

	// entra says that the login is by Entra ID, policy is else the shared access
	// policy's name. client sets them.
	entra  bool
	policy string

	// tier and units are of the hub, as the config file has them. client sets them.
	tier  string
	units int

	// confirmAbove is the number of devices above which a command asks first.
	// client reads it from the config file.
	confirmAbove int

	// notes, if set, prints notes instead: past the line of progress that is
	// being redrawn.
	notes func(lines ...string)
}

// newApp is the app of the real world.
func newApp() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		inTerminal: isTerminal(os.Stdin), outTerminal: isTerminal(os.Stdout), errTerminal: isTerminal(os.Stderr),
		width:   terminalWidth,
		getenv:  os.Getenv,
		now:     time.Now,
		sleep:   sleep,
		local:   time.Local,
		newID:   func() string { return uuid.NewString()[:8] },
		version: version,
	}
}

// client connects to the hub that flags, environment and config file name. It
// sends nothing yet.
func (a *app) client() (*rest.Client, error) {
	config, err := conn.LoadConfig(a.getenv)
	if err != nil {
		return nil, err
	}
	a.confirmAbove = config.Threshold()
	target, err := conn.Resolve(a.flags, a.getenv, config)
	if err != nil {
		return nil, err
	}
	for _, w := range target.Warnings {
		a.note("%s", w)
	}
	a.policy = target.Service.KeyName
	a.tier, a.units = target.Tier, target.Units
	var token func(context.Context) (string, error)
	if a.entra = target.Entra; a.entra {
		login, err := entra.Default(a.now)
		if err != nil {
			return nil, err
		}
		token = login.Token
	}
	var trace func(string)
	if a.trace {
		trace = func(line string) { a.say("latchctl: " + line) } // not wrapped: it is for copying
	}
	return rest.New(target.Service, rest.Options{
		Token:     token,
		Trace:     trace,
		Endpoint:  target.Endpoint,
		RootCAs:   target.RootCAs,
		UserAgent: "latchctl/" + a.version,
		Now:       a.now,
		Sleep:     a.sleep,
		OnRetry: func(err error, wait time.Duration) {
			a.note("note: %v; trying again in %s", err, ui.Duration(wait.Round(100*time.Millisecond)))
		},
	}), nil
}

// note prints a line beside the data, wrapped where that is a terminal.
func (a *app) note(format string, args ...any) {
	text := "latchctl: " + ui.Clean(fmt.Sprintf(format, args...))
	lines := ui.Paragraph(text, a.errWidth())
	// A command at the end is for copying, so it stays in one piece.
	if i := strings.LastIndex(text, ": latchctl "); len(lines) > 1 && i >= 0 {
		lines = append(ui.Paragraph(text[:i+1], a.errWidth()), " "+text[i+1:])
	}
	a.say(lines...)
}

// say prints lines beside the data as they are.
func (a *app) say(lines ...string) {
	if a.notes != nil {
		a.notes(lines...)
		return
	}
	for _, line := range lines {
		fmt.Fprintln(a.errOut, ui.Clean(line))
	}
}

// color reports whether standard output takes colours.
func (a *app) color() bool {
	return a.outTerminal && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// outWidth is the width that tables are fitted to; 0: none.
func (a *app) outWidth() int {
	if !a.outTerminal {
		return 0
	}
	return a.width()
}

// errWidth is the width that notes are wrapped to; 0: none.
func (a *app) errWidth() int {
	if !a.errTerminal {
		return 0
	}
	return a.width()
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// terminalWidth asks the terminal, by whichever stream is one.
func terminalWidth() int {
	for _, f := range []*os.File{os.Stderr, os.Stdout, os.Stdin} {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
