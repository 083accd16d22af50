// Latchd is the device agent: it connects a door lock to the hub.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/cmd/latchd/enroll"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/termtext"
)

// version is the version of a release. The linker sets it: -ldflags "-X main.version=1.2.3".
var version = "devel"

const usage = `latchd connects a door lock to Azure IoT Hub or to latchhub.

  latchd run --config /etc/latchd/latchd.toml

Commands:
  enroll    register this door with a code from the hub, and start it
  run       serve the lock until SIGTERM
  status    show the status of the running agent
  lock      lock the door, without a network
  unlock    unlock the door, without a network
  check     find problems and name their remedies
  selftest  move the lock to its other position and back
  config    print an example configuration with comments
  mock      operate the simulated door of the driver mock
  release   de-energise the lines of a stopped agent; systemd runs this
  grant     give the agent its secrets and the operators its socket; systemd runs this
  version   print the version

On a gateway with several doors, --door NAME selects the door of /etc/latchd/NAME.toml.
Run 'latchd run --help' for the flags of a command.
`

// command is a command that reads the configuration.
type command struct {
	name    string
	help    string
	operand string // name of the command's only operand; empty if it has none
	run     func(ctx context.Context, o options, stdout, stderr io.Writer) error
}

var commands = []command{
	{"run", "Serve the lock until SIGTERM.", "",
		func(ctx context.Context, o options, _, stderr io.Writer) error { return run(ctx, o.config, stderr) }},
	{"enroll", `Read a code from 'latchhub invite door NAME', register the door at the hub, write its
login and the table [hub] of the configuration, check both, and start the agent. The code
comes from a prompt or from standard input. An interrupted enrollment can be repeated with
the same code. Needs root.`, "",
		func(ctx context.Context, o options, stdout, stderr io.Writer) error {
			return enrollCommand(ctx, o, os.Stdin, stdout, stderr)
		}},
	{"lock", `Lock the door through the running agent, without a network. If the door is open, it
locks when it is closed. Needs root or the group latchd-operators.`, "",
		func(_ context.Context, o options, stdout, _ io.Writer) error { return move(o.config, o.move, stdout) }},
	{"unlock", `Unlock the door through the running agent, without a network. Without --for, the door
locks after auto_relock or, if that is 0s, with the next lock. Needs root or the group
latchd-operators.`, "",
		func(_ context.Context, o options, stdout, _ io.Writer) error {
			o.move.unlock = true
			return move(o.config, o.move, stdout)
		}},
	{"status", "Show the status of the running agent. Needs root or the group latchd-operators.", "",
		func(_ context.Context, o options, stdout, _ io.Writer) error {
			return statusCommand(o.config, o.format, stdout)
		}},
	{"check", `Check the configuration, the credentials, the lock's lines, the clock and the login
at the hub. If the agent is running, check asks it, and touches neither its lines nor
its connection. The exit code is 1 if there are problems. Needs root.`, "",
		func(ctx context.Context, o options, stdout, _ io.Writer) error {
			return checkCommand(ctx, o.config, o.format, stdout)
		}},
	{"selftest", `Move the lock to its other position and back, through the running agent, and print
what the bolt sensor detects. Asks for confirmation. Needs root and a closed door.`, "",
		func(ctx context.Context, o options, stdout, _ io.Writer) error {
			return selftest(ctx, o.config, o.yes, os.Stdin, stdout)
		}},
	{"release", `Drive the lines of a lock in mode pulse or dual to their idle level. Does nothing in
mode hold, whose line must keep its level.`, "",
		func(_ context.Context, o options, _, _ io.Writer) error { return release(o.config) }},
	{"grant", `Copy the secret files that the configuration names to $RUNTIME_DIRECTORY, for the
agent's user, who cannot read them, and let the group latchd-operators use the control
socket there. systemd runs this as root after each start and before each reload.`, "",
		func(_ context.Context, o options, _, _ io.Writer) error { return grant(o.config) }},
	{"mock", `Operate the simulated door of the running agent, if its driver is mock. ACTION is open
(the door must be unlocked), close, exit (press the exit button) or pry (force the door).`, "ACTION",
		func(_ context.Context, o options, _, _ io.Writer) error { return operateMock(o.config, o.operand) }},
}

// usageError is an error in the command line. Its exit code is 2.
type usageError struct{ error }

func main() {
	runtime.MemProfileRate = 0 // nothing reads the profile, whose table grows with each allocation site

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(exitCode(os.Stderr, dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("missing command; see 'latchd help'")}
	}

	switch args[0] {
	case "config":
		if len(args) != 2 || args[1] != "--example" {
			return usageError{errors.New("missing flag; run 'latchd config --example'")}
		}
		_, err := io.WriteString(stdout, config.Example())
		return err
	case "version", "--version":
		fmt.Fprintf(stdout, "latchd %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
		return nil
	}

	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		o, err := c.parse(args[1:], stdout)
		if err != nil || o.helped {
			return err
		}
		return c.run(ctx, o, stdout, stderr)
	}
	return usageError{fmt.Errorf("unknown command %q; see 'latchd help'", args[0])}
}

// options are the flags of all commands that read the configuration.
type options struct {
	config  string
	format  string // text or json; empty for commands without -o
	yes     bool   // skip the confirmation
	move    moveOptions
	enroll  enroll.Options
	operand string
	helped  bool // --help was given, and the help has been printed
}

// parse reads the command's flags. For --help it prints the command's help.
func (c command) parse(args []string, stdout io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("latchd "+c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.config, "config", config.Dir+"/latchd.toml", "configuration `FILE`")
	door := flags.String("door", "", "use the configuration /etc/latchd/`NAME`.toml")
	if c.name == "status" || c.name == "check" {
		flags.StringVar(&o.format, "o", "text", "output `FORMAT`: text or json")
	}
	if c.name == "selftest" {
		flags.BoolVar(&o.yes, "yes", false, "skip the confirmation")
	}

	if c.name == "enroll" {
		flags.BoolVar(&o.enroll.Mock, "mock", false, "add a simulated lock if the configuration has no table [lock]")
		flags.BoolVar(&o.enroll.Overwrite, "overwrite", false, "replace the present login of the door")
	}
	if c.name == "lock" || c.name == "unlock" {
		flags.StringVar(&o.move.reason, "reason", "", "`TEXT` for the event and the journal")
	}
	if c.name == "unlock" {
		flags.DurationVar(&o.move.forTime, "for", 0, "lock again after this `TIME`, such as 30s")
		flags.BoolVar(&o.move.overrideLockdown, "override-lockdown", false, "unlock even during lockdown; only root may do this")
	}

	err := flags.Parse(args)
	operands := flags.Args()
	if c.operand != "" && len(operands) > 0 {
		o.operand, operands = operands[0], operands[1:]
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.printHelp(flags, stdout)
		return options{helped: true}, nil
	case err != nil:
		return options{}, usageError{fmt.Errorf("%w; see 'latchd %s --help'", err, c.name)}
	case len(operands) > 0:
		return options{}, usageError{fmt.Errorf("unexpected argument %q; see 'latchd %s --help'", operands[0], c.name)}
	case c.operand != "" && o.operand == "":
		return options{}, usageError{fmt.Errorf("%s is missing; see 'latchd %s --help'", c.operand, c.name)}
	case o.move.forTime < 0 || o.move.forTime%time.Second != 0:
		return options{}, usageError{fmt.Errorf("--for is %s; want whole seconds, such as 30s", o.move.forTime)}
	case o.config == "":
		return options{}, usageError{fmt.Errorf("--config is empty; see 'latchd %s --help'", c.name)}
	case o.format != "" && o.format != "text" && o.format != "json":
		return options{}, usageError{fmt.Errorf("-o is %q; want text or json", o.format)}
	}

	if *door != "" {
		if o.config, err = configOf(*door, flags); err != nil {
			return options{}, usageError{err}
		}
	}
	return o, nil
}

// configOf returns the configuration file of a door.
func configOf(door string, flags *flag.FlagSet) (string, error) {
	configSet := false
	flags.Visit(func(f *flag.Flag) { configSet = configSet || f.Name == "config" })

	switch {
	case configSet:
		return "", errors.New("use --door or --config, not both")
	case !doorName.MatchString(door) || slices.Contains(reservedDoors, door):
		return "", fmt.Errorf("invalid door name %q; want lower-case letters, digits and hyphens, but not %s", door, strings.Join(reservedDoors, " or "))
	}
	return filepath.Join(config.Dir, door+".toml"), nil
}

var doorName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// reservedDoors are the names that the agent of a gateway's only door uses for its own
// files.
var reservedDoors = []string{"latchd", "clock"}

// printHelp prints an example, the command's purpose and its flags.
func (c command) printHelp(flags *flag.FlagSet, stdout io.Writer) {
	operand := ""
	if c.operand != "" {
		operand = " " + c.operand
	}

	fmt.Fprintf(stdout, "  latchd %s --config /etc/latchd/latchd.toml%s\n\n%s\n\nFlags:\n", c.name, operand, c.help)
	flags.VisitAll(func(f *flag.Flag) {
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}

		value, text := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
			if f.DefValue != "" && f.DefValue != "0s" {
				text += fmt.Sprintf(" (default %s)", f.DefValue)
			}
		}

		fmt.Fprintf(stdout, "  %-16s %s\n", dashes+f.Name+value, text)
	})
}

// exitCode prints an error and returns the process's exit code for it.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}

	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "%slatchd: %s\n", systemd.ErrorPrefix(stderr), termtext.Clean(strings.TrimSuffix(line, "\n")))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}
