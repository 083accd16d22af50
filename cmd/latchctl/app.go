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
	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/termtext"
	"golang.org/x/term"
)

// app holds the environment of a command: the standard streams, environment
// variables, the clock and random ids. Tests replace each of these.
type app struct {
	in     io.Reader
	out    io.Writer // receives data
	errOut io.Writer // receives progress, notes and errors

	// inTerminal, outTerminal and errTerminal are true if the stream in, out or
	// errOut is a terminal.
	inTerminal, outTerminal, errTerminal bool

	noColors bool // true if the terminal on out cannot show colours

	width   func() int // returns the terminal's width in characters; 0 means unknown
	getenv  func(string) string
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	local   *time.Location
	newID   func() string // returns random letters and digits
	login   func() string // returns the technician's login at this computer
	version string
	perform func(context.Context, command) error // runs a command whose command line is parsed

	flags  conn.Flags
	format string // the value of --output: table, json or jsonl
	trace  bool   // the value of --trace; true prints each request and its answer

	// The method client sets the following fields from the chosen hub and the config
	// file.

	hub          string // what users call the hub: its name in the config file, or its address
	entra        bool   // true: log in with Entra ID; false: with the key of a shared access policy
	policy       string // name of the shared access policy; empty with Entra ID
	tier         string // the hub's IoT Hub tier, such as S1; empty means unknown
	units        int    // number of IoT Hub units that the hub has in this tier
	confirmAbove int    // latchctl asks for confirmation above this number of devices
	identify     bool   // true if commands send the technician's login to the doors

	// account returns the technician's account at Entra ID, or "" if the account is not
	// known. account is nil if the technician does not log in with Entra ID.
	account func(context.Context) string

	// notes prints messages while a progress line is on the terminal, and erases the
	// line first. It is nil while there is no progress line; messages then go to errOut.
	notes func(lines ...string)
}

// newApp returns an app that uses the process's own streams, environment and clock.
func newApp() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		inTerminal: isTerminal(os.Stdin), outTerminal: isTerminal(os.Stdout), errTerminal: isTerminal(os.Stderr),
		noColors: !ui.EnableColors(os.Stdout),

		width:   terminalWidth,
		getenv:  os.Getenv,
		now:     time.Now,
		sleep:   sleep,
		local:   time.Local,
		newID:   func() string { return uuid.NewString()[:8] },
		login:   localLogin,
		version: version,
		perform: carryOut,
	}
}

// command is a command with the values of its flags and arguments. run carries it out.
type command interface {
	run(context.Context) error
}

func carryOut(ctx context.Context, c command) error { return c.run(ctx) }

// client returns a client for the hub that the flags, the environment and the config
// file choose. It sends no request.
func (a *app) client() (*rest.Client, error) {
	config, err := conn.LoadConfig(a.getenv)
	if err != nil {
		return nil, err
	}
	target, err := conn.Resolve(a.flags, a.getenv, config)
	if err != nil {
		return nil, err
	}
	for _, w := range target.Warnings {
		a.note("%s", w)
	}

	a.confirmAbove = config.Threshold()
	a.policy = target.Service.KeyName
	a.tier, a.units = target.Tier, target.Units
	a.hub, a.entra = target.Label, target.Entra
	a.identify = config.Identifies()

	var token func(context.Context) (string, error)
	if a.entra {
		login, err := entra.Default(a.now)
		if err != nil {
			return nil, err
		}
		token = login.Token
		a.account = login.Account
	}

	var trace func(string)
	if a.trace {
		// Trace lines are not wrapped, so that users can copy them.
		trace = func(line string) { a.say("latchctl: " + line) }
	}

	return rest.New(target.Service, rest.Options{
		Token:     token,
		Trace:     trace,
		Endpoint:  target.Endpoint,
		HubID:     target.HubID,
		RootCAs:   target.RootCAs,
		UserAgent: "latchctl/" + a.version,
		Now:       a.now,
		Sleep:     a.sleep,
		OnRetry: func(err error, wait time.Duration) {
			a.note("note: %v; retrying in %s", err, words.Duration(wait.Round(100*time.Millisecond)))
		},
	}), nil
}

// fleet returns the devices of the hub that client chooses. It sends no request.
func (a *app) fleet() (*fleet.Fleet, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}

	return a.fleetOf(client), nil
}

func (a *app) fleetOf(client *rest.Client) *fleet.Fleet {
	return &fleet.Fleet{
		Hub:          client,
		HubName:      a.hub,
		HubFlags:     a.hubFlags(),
		ConfirmAbove: a.confirmAbove,
		Now:          a.now,
		Sleep:        a.sleep,
		Local:        a.local,
		NewID:        a.newID,
		By:           a.by,
		Note:         a.note,
		Confirm:      a.confirm,
		Progress:     a.showProgress,
	}
}

// command returns a command for the user to run on the same hub; see [fleet.Fleet.Command].
func (a *app) command(name, id string) string {
	f := fleet.Fleet{HubFlags: a.hubFlags()}
	return f.Command(name, id)
}

// hubFlags returns the flags with which the user has chosen the hub.
func (a *app) hubFlags() string {
	var flags []string
	for _, flag := range []struct{ name, value string }{
		{"--hub", a.flags.Hub}, {"--hub-file", a.flags.HubFile}, {"--hub-name", a.flags.HubName},
		{"--endpoint", a.flags.Endpoint}, {"--ca-file", a.flags.CAFile},
	} {
		if flag.value != "" {
			flags = append(flags, flag.name, words.ShellArgument(flag.value))
		}
	}
	return strings.Join(flags, " ")
}

// note prints a message on standard error. On a terminal it wraps the message.
func (a *app) note(format string, args ...any) {
	text := "latchctl: " + termtext.Clean(fmt.Sprintf(format, args...))
	lines := ui.Paragraph(text, a.errWidth())

	// If the message ends with a command to run, the command stays on one line, so that
	// the user can copy it.
	if i := strings.LastIndex(text, ": latchctl "); len(lines) > 1 && i >= 0 {
		lines = append(ui.Paragraph(text[:i+1], a.errWidth()), " "+text[i+1:])
	}

	a.say(lines...)
}

// say prints lines on standard error without wrapping them.
func (a *app) say(lines ...string) {
	if a.notes != nil {
		a.notes(lines...)
		return
	}

	for _, line := range lines {
		fmt.Fprintln(a.errOut, termtext.Clean(line))
	}
}

// color reports whether latchctl may print colours on standard output.
func (a *app) color() bool {
	return a.outTerminal && !a.noColors && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// outWidth returns the maximum width of tables on standard output. It returns 0, which
// means no limit, if standard output is not a terminal.
func (a *app) outWidth() int {
	if !a.outTerminal {
		return 0
	}

	return a.width()
}

// errWidth returns the width to which latchctl wraps messages on standard error. It
// returns 0, which means no wrapping, if standard error is not a terminal.
func (a *app) errWidth() int {
	if !a.errTerminal {
		return 0
	}

	return a.width()
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// terminalWidth returns the width of the terminal on one of the standard streams. It
// returns 80 if none of the streams is a terminal.
func terminalWidth() int {
	for _, f := range []*os.File{os.Stderr, os.Stdout, os.Stdin} {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}

	return 80
}

// sleep waits for d, or until ctx is done.
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
