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

// version is set when a release is linked: -ldflags "-X main.version=1.2.3".
var version = "devel"

const usage = `latchd connects a door lock to Azure IoT Hub, or to latchhub.

  latchd run --config /etc/latchd/latchd.toml

Commands:
  run       serve the lock until SIGTERM
  status    show how the running agent is
  check     say all that is wrong, with what to do about it
  selftest  move the lock to its other position and back
  config    print a configuration in which every key is explained
  release   let go what a pulse has left energised; systemd runs it after the end
  version   print the version

'latchd run --help' shows a command's flags.
`

// usageError is an error of the command line: the exit code is 2.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(exitCode(os.Stderr, dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("a command is missing; see 'latchd help'")}
	}
	switch args[0] {
	case "run":
		f, err := parseFlags("run", "Serves the lock until SIGTERM.", args[1:], stdout)
		if f == nil {
			return err
		}
		return run(ctx, f.config, stderr)
	case "status":
		f, err := parseFlags("status", "Shows how the running agent is. Needs root.", args[1:], stdout)
		if f == nil {
			return err
		}
		return statusCommand(f.config, f.format, stdout)
	case "check":
		f, err := parseFlags("check", `Says all that is wrong: configuration, credentials, lines, clock, and the way to
the hub. Where the agent runs it is asked, and neither its link nor its line is
touched. Ends with 1 if there are problems. Needs root.`, args[1:], stdout)
		if f == nil {
			return err
		}
		return checkCommand(ctx, f.config, f.format, stdout)
	case "selftest":
		f, err := parseFlags("selftest", `Moves the lock to its other position and back, through the running agent, and says
what its sensor saw. Asks first. Needs root, and a closed door.`, args[1:], stdout)
		if f == nil {
			return err
		}
		return selftest(ctx, f.config, f.yes, os.Stdin, stdout)
	case "config":
		if len(args) != 2 || args[1] != "--example" {
			return usageError{errors.New("say what is wanted: latchd config --example")}
		}
		_, err := io.WriteString(stdout, config.Example())
		return err
	case "release":
		f, err := parseFlags("release", `Drives the lines of a lock in the modes pulse and dual idle. Does nothing in the
mode hold, whose line is to stay as it is.`, args[1:], stdout)
		if f == nil {
			return err
		}
		return release(f.config)
	case "version", "--version":
		fmt.Fprintf(stdout, "latchd %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	case "help", "--help", "-h":
		fmt.Fprint(stdout, usage)
		return nil
	}
	return usageError{fmt.Errorf("there is no command %q; see 'latchd help'", args[0])}
}

// commandFlags are the flags of a command that needs the configuration.
type commandFlags struct {
	config string
	format string // text or json
	yes    bool   // do not ask
}

// parseFlags reads them; no flags and no error after the help was shown.
func parseFlags(command, does string, args []string, stdout io.Writer) (*commandFlags, error) {
	var f commandFlags
	flags := flag.NewFlagSet("latchd "+command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&f.config, "config", "/etc/latchd/latchd.toml", "configuration `file`")
	if command == "status" || command == "check" {
		flags.StringVar(&f.format, "o", "text", "output `format`: text or json")
	}
	if command == "selftest" {
		flags.BoolVar(&f.yes, "yes", false, "do not ask before the lock moves")
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		fmt.Fprintf(stdout, "  latchd %s --config /etc/latchd/latchd.toml\n\n%s\n\n", command, does)
		flags.PrintDefaults()
		return nil, nil
	case err != nil:
		return nil, usageError{fmt.Errorf("%w; see 'latchd %s --help'", err, command)}
	case flags.NArg() > 0:
		return nil, usageError{fmt.Errorf("%q is one argument too many; see 'latchd %s --help'", flags.Arg(0), command)}
	case f.config == "":
		return nil, usageError{fmt.Errorf("--config names no file; see 'latchd %s --help'", command)}
	case f.format != "" && f.format != "text" && f.format != "json":
		return nil, usageError{fmt.Errorf("-o is %q; it can be text or json", f.format)}
	}
	return &f, nil
}

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
