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
	"runtime"
	"strings"
	"syscall"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/systemd"
)

// version is the version of a release. The linker sets it: -ldflags "-X main.version=1.2.3".
var version = "devel"

const usage = `latchd connects a door lock to Azure IoT Hub or to latchhub.

  latchd run --config /etc/latchd/latchd.toml

Commands:
  run       serve the lock until SIGTERM
  status    show the status of the running agent
  check     find problems and name their remedies
  selftest  move the lock to its other position and back
  config    print an example configuration with comments
  release   de-energise the lines of a stopped agent; systemd runs this
  version   print the version

Run 'latchd run --help' for the flags of a command.
`

// command is a command that reads the configuration.
type command struct {
	name string
	help string
	run  func(ctx context.Context, o options, stdout, stderr io.Writer) error
}

var commands = []command{
	{"run", "Serve the lock until SIGTERM.",
		func(ctx context.Context, o options, _, stderr io.Writer) error { return run(ctx, o.config, stderr) }},
	{"status", "Show the status of the running agent. Needs root.",
		func(_ context.Context, o options, stdout, _ io.Writer) error {
			return statusCommand(o.config, o.format, stdout)
		}},
	{"check", `Check the configuration, the credentials, the lock's lines, the clock and the login
at the hub. If the agent is running, check asks it, and touches neither its lines nor
its connection. The exit code is 1 if there are problems. Needs root.`,
		func(ctx context.Context, o options, stdout, _ io.Writer) error {
			return checkCommand(ctx, o.config, o.format, stdout)
		}},
	{"selftest", `Move the lock to its other position and back, through the running agent, and print
what the bolt sensor detects. Asks for confirmation. Needs root and a closed door.`,
		func(ctx context.Context, o options, stdout, _ io.Writer) error {
			return selftest(ctx, o.config, o.yes, os.Stdin, stdout)
		}},
	{"release", `Drive the lines of a lock in mode pulse or dual to their idle level. Does nothing in
mode hold, whose line must keep its level.`,
		func(_ context.Context, o options, _, _ io.Writer) error { return release(o.config) }},
}

// usageError is an error in the command line. Its exit code is 2.
type usageError struct{ error }

func main() {
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
	config string
	format string // text or json; empty for commands without -o
	yes    bool   // skip the confirmation
	helped bool   // --help was given, and the help has been printed
}

// parse reads the command's flags. For --help it prints the command's help.
func (c command) parse(args []string, stdout io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("latchd "+c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.config, "config", "/etc/latchd/latchd.toml", "configuration `FILE`")
	if c.name == "status" || c.name == "check" {
		flags.StringVar(&o.format, "o", "text", "output `FORMAT`: text or json")
	}
	if c.name == "selftest" {
		flags.BoolVar(&o.yes, "yes", false, "skip the confirmation")
	}

	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.printHelp(flags, stdout)
		return options{helped: true}, nil
	case err != nil:
		return options{}, usageError{fmt.Errorf("%w; see 'latchd %s --help'", err, c.name)}
	case flags.NArg() > 0:
		return options{}, usageError{fmt.Errorf("unexpected argument %q; see 'latchd %s --help'", flags.Arg(0), c.name)}
	case o.config == "":
		return options{}, usageError{fmt.Errorf("--config is empty; see 'latchd %s --help'", c.name)}
	case o.format != "" && o.format != "text" && o.format != "json":
		return options{}, usageError{fmt.Errorf("-o is %q; want text or json", o.format)}
	}
	return o, nil
}

// printHelp prints an example, the command's purpose and its flags.
func (c command) printHelp(flags *flag.FlagSet, stdout io.Writer) {
	fmt.Fprintf(stdout, "  latchd %s --config /etc/latchd/latchd.toml\n\n%s\n\nFlags:\n", c.name, c.help)
	flags.VisitAll(func(f *flag.Flag) {
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		value, text := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
			text += fmt.Sprintf(" (default %s)", f.DefValue)
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
		fmt.Fprintf(stderr, "%slatchd: %s\n", systemd.ErrorPrefix(stderr), strings.TrimSuffix(line, "\n"))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}
