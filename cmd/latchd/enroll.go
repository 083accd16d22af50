package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/cmd/latchd/enroll"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/latchd/latchd/transport/textfile"
)

const (
	// connectTimeout bounds how long 'latchd enroll' waits until the agent that it has
	// started is connected.
	connectTimeout = 30 * time.Second
	connectPoll    = 200 * time.Millisecond
)

// enrollCommand registers the door of an invitation code at its hub, writes the door's
// login and configuration, checks them and starts the agent.
func enrollCommand(ctx context.Context, o options, stdin *os.File, stdout, stderr io.Writer) error {
	if err := enroll.Writable(o.config); err != nil {
		return err
	}
	door, err := readCode(ctx, stdin, stderr)
	if err != nil {
		return err
	}
	plan, done, err := enroll.Prepare(o.config, door, o.enroll)
	if err != nil {
		return err
	}
	defer done()

	proxy, err := readProxy(plan.Hub, zap.NewNop())
	if err != nil {
		return err
	}
	fingerprint := sha256.Sum256(door.CA.Raw)
	fmt.Fprintf(stdout, "Door %s, hub %s (CA with the SHA-256 fingerprint %x)\n", termtext.Clean(door.RegistrationID), termtext.Clean(door.Hub), fingerprint)
	device, err := enroll.Register(ctx, door, proxy, productInfo())
	if err != nil {
		return err
	}

	again := fmt.Sprintf("the code is valid until %s; run 'latchd enroll' with it again", door.Expires.Local().Format("2006-01-02 15:04"))
	if err := plan.Write(device); err != nil {
		return fmt.Errorf("%w; %s", err, again)
	}
	return finishEnrollment(ctx, o.config, plan.HasLock, again, stdout)
}

// finishEnrollment checks the new files and starts the agent. The check logs in to the hub,
// which ends the code. again says how to repeat an enrollment whose code has not ended.
func finishEnrollment(ctx context.Context, file string, hasLock bool, again string, stdout io.Writer) error {
	unit := unitOf(file)
	if _, err := askStatus(file); !errors.Is(err, errNotRunning) {
		return restartAgent(ctx, file, unit, again, stdout)
	}

	findings := check(ctx, file)
	problems := printFindings(stdout, findings)
	if hub := findings[len(findings)-1]; hub.What != "hub" || !hub.OK {
		return fmt.Errorf("the door has not logged in to the hub; correct the problem above; %s", again)
	}

	switch {
	case !hasLock:
		fmt.Fprintf(stdout, "\nThe door can log in to its hub. Its lock is not configured yet:\n"+
			"  1. describe the lock in the table [lock] of %s; 'latchd config --example' and latchd.toml(5) explain it\n"+
			"  2. latchd check%s\n", file, doorFlag(file))
		if unit != "" {
			fmt.Fprintf(stdout, "  3. systemctl enable --now %s\n", unit)
		}
		return nil
	case problems != nil:
		return fmt.Errorf("the door can log in to its hub, but the agent was not started: %w", problems)
	case unit == "":
		fmt.Fprintf(stdout, "\nThe door can log in to its hub. Start its agent with 'latchd run --config %s'.\n", file)
		return nil
	}
	if err := systemctl(ctx, stdout, "enable", "--now", unit); err != nil {
		return err
	}
	return awaitConnection(ctx, file, stdout)
}

// restartAgent restarts the running agent, so that it logs in to the new hub. A reload would
// not change the hub. A restart moves no lock in the mode hold, and ends each pulse.
func restartAgent(ctx context.Context, file, unit, again string, stdout io.Writer) error {
	if unit == "" {
		fmt.Fprintf(stdout, "\nThe new login is ready. Restart the running agent, so that it uses it.\n")
		return nil
	}
	if err := systemctl(ctx, stdout, "restart", unit); err != nil {
		return err
	}
	if err := awaitConnection(ctx, file, stdout); err != nil {
		return fmt.Errorf("%w; %s", err, again)
	}
	return printFindings(stdout, check(ctx, file))
}

// unitOf returns the unit that runs the agent with the configuration file. It is empty if
// systemd does not run on this computer, or if no unit uses the file.
func unitOf(file string) string {
	if _, err := os.Stat("/run/systemd/system"); err != nil || filepath.Dir(file) != config.Dir {
		return ""
	}
	if door := doorOf(file); door != "latchd" {
		return "latchd@" + door + ".service"
	}
	return "latchd.service"
}

func doorOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".toml") }

// doorFlag returns the flag with which other commands use the configuration file.
func doorFlag(file string) string {
	switch {
	case filepath.Dir(file) != config.Dir:
		return " --config " + file
	case doorOf(file) != "latchd":
		return " --door " + doorOf(file)
	}
	return ""
}

func systemctl(ctx context.Context, stdout io.Writer, args ...string) error {
	fmt.Fprintf(stdout, "systemctl %s\n", strings.Join(args, " "))
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// awaitConnection waits until the agent is connected to the hub.
func awaitConnection(ctx context.Context, file string, stdout io.Writer) error {
	ctx, stop := context.WithTimeout(ctx, connectTimeout)
	defer stop()

	for {
		status, err := askStatus(file)
		if err == nil && textAt(status, "connected") == "true" {
			fmt.Fprintf(stdout, "\nThe agent is running and connected; the door is %s.\n", textAt(status, "lock", "position"))
			return nil
		}
		sleep(ctx, connectPoll)
		if ctx.Err() != nil {
			return fmt.Errorf("the agent is not connected to the hub within %s; see 'latchd status%s'", connectTimeout, doorFlag(file))
		}
	}
}

// readCode reads a code from standard input. On a terminal it asks for the code and does
// not show it.
func readCode(ctx context.Context, stdin *os.File, stderr io.Writer) (invitation.Door, error) {
	if hidden, err := hideInput(stdin); err == nil {
		defer hidden()
		return askCode(ctx, stdin, stderr)
	}

	text, err := io.ReadAll(io.LimitReader(stdin, invitation.MaxCode+1))
	if err != nil {
		return invitation.Door{}, fmt.Errorf("read the code: %w", err)
	}
	if len(text) > invitation.MaxCode {
		return invitation.Door{}, fmt.Errorf("standard input has more than %d bytes; want a code from 'latchhub invite door NAME'", invitation.MaxCode)
	}
	code, err := textfile.Decode(text)
	if err != nil {
		return invitation.Door{}, fmt.Errorf("standard input %w", err)
	}
	return invitation.ParseDoor(code)
}
