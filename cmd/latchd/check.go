package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/transport/mqtt"
)

// finding is the result of one check.
type finding struct {
	What     string   `json:"what"`
	OK       bool     `json:"ok"`
	Detail   string   `json:"detail"`
	Problems []string `json:"problems,omitempty"` // each with its remedy
}

// errProblems is the error of 'latchd check' if a check found a problem.
var errProblems = errors.New("the check found problems")

// loginTimeout bounds the test login at the hub.
const loginTimeout = time.Minute

// checkCommand runs all checks and prints their findings as text or JSON.
func checkCommand(ctx context.Context, file, format string, stdout io.Writer) error {
	findings := check(ctx, file)
	var err error
	for _, f := range findings {
		if !f.OK {
			err = errProblems
		}
	}

	if format == "json" {
		return errors.Join(writeJSON(stdout, findings), err)
	}

	for _, f := range findings {
		mark := "ok"
		if !f.OK {
			mark = "PROBLEM"
		}
		fmt.Fprintf(stdout, "%-7s  %s: %s\n", mark, f.What, f.Detail)
		for _, p := range f.Problems {
			fmt.Fprintf(stdout, "         - %s\n", p)
		}
	}
	return err
}

// check takes the same steps as a start of the agent. If the agent is running, check
// asks it for the state of lock and hub: a second login would cut the agent's
// connection, and the agent holds the lock's lines.
func check(ctx context.Context, file string) []finding {
	c, problems, err := config.LoadLock(file)
	if err != nil {
		return []finding{{What: "configuration", Detail: "invalid", Problems: strings.Split(err.Error(), "\n")}}
	}
	id, credentials := checkCredentials(c)
	findings := []finding{checkConfig(file, problems), credentials}

	status, err := askStatus(file)
	switch {
	case err == nil:
		return append(findings, checkRunning(status)...)
	case !errors.Is(err, errNotRunning):
		// The agent may be running, so neither its lines nor its connection is touched.
		return append(findings, finding{What: "agent", Detail: "it may be running, but it cannot be asked", Problems: []string{err.Error()}})
	}

	findings = append(findings, finding{What: "agent", OK: true, Detail: "not running"}, checkLock(c.Lock), checkClock())
	if credentials.OK {
		findings = append(findings, checkHub(ctx, id))
	}
	return findings
}

// checkConfig reports the errors outside the table [lock].
func checkConfig(file string, problems []error) finding {
	f := finding{What: "configuration", OK: len(problems) == 0, Detail: file}
	if !f.OK {
		f.Detail = "the lock works, but parts of the file have errors"
	}
	for _, problem := range problems {
		f.Problems = append(f.Problems, problem.Error())
	}
	return f
}

// checkRunning judges the status of the running agent.
func checkRunning(status map[string]any) []finding {
	running := finding{What: "agent", OK: true, Detail: "running; it reports the lock and the hub"}
	problems, _ := status["problems"].([]any)
	for _, problem := range problems {
		running.OK, running.Problems = false, append(running.Problems, printable(fmt.Sprint(problem)))
	}
	if !running.OK {
		running.Detail = "running; after correcting its files, run 'systemctl reload latchd'"
	}

	lock := finding{What: "lock", OK: true, Detail: textAt(status, "lock", "position")}
	if fault := textAt(status, "lock", "fault"); fault != "" {
		lock.OK, lock.Problems = false, []string{fault}
	}

	hub := finding{What: "hub", OK: true, Detail: "connected"}
	if textAt(status, "connected") != "true" {
		hub.OK, hub.Detail = false, "not connected; see the journal for the reason: journalctl -u latchd"
	}
	return []finding{running, lock, hub, checkClock()}
}

// checkCredentials reads the device's credentials. It counts the warnings of a start,
// such as files that others can read, as problems.
func checkCredentials(c config.Config) (identity, finding) {
	f := finding{What: "credentials"}
	if !c.HasHub() {
		f.Detail, f.Problems = "not known", []string{"the configuration does not say how to reach the hub"}
		return identity{}, f
	}
	id, err := readIdentity(c, zap.New(warningCollector{&f.Problems}))
	if err != nil {
		f.Detail = "not usable"
		f.Problems = append(f.Problems, err.Error())
	} else {
		f.Detail = fmt.Sprintf("device %s at %s", id.name, id.hub)
	}
	f.OK = len(f.Problems) == 0
	return id, f
}

func checkLock(l config.Lock) finding {
	f := finding{What: "lock", OK: true, Detail: "driver " + l.Driver + ", mode " + l.Mode}
	if l.Manual {
		f.Detail += "; manual = true, so a forced door raises no alarm"
	}
	if l.Driver != "gpio" {
		return f
	}

	inputs, err := gpio.Check(l.GPIOConfig())
	for _, input := range inputs {
		f.Detail += "; " + input.String()
	}
	if err != nil {
		f.OK, f.Problems = false, strings.Split(err.Error(), "\n")
	}
	if l.ActuatorConfig().Mode != actuator.Hold {
		f.Detail += "; make sure that a resistor pulls the line to its idle level while nothing drives it"
	}
	return f
}

func checkClock() finding {
	if clock.System().Set() {
		return finding{What: "clock", OK: true, Detail: "set by the network"}
	}
	return finding{What: "clock", Detail: time.Now().Format(time.RFC3339), Problems: []string{
		"nothing has set the clock since boot; with a wrong time, certificates and tokens are refused; see 'timedatectl status'",
	}}
}

// checkHub logs in as the agent does.
func checkHub(ctx context.Context, id identity) finding {
	ctx, stop := context.WithTimeout(ctx, loginTimeout)
	defer stop()

	store, err := agent.OpenStore("", zap.NewNop()) // in memory: the check leaves no state
	if err == nil {
		err = mqtt.Try(ctx, id.options(store, time.Now, zap.NewNop()))
	}
	if err != nil {
		return finding{What: "hub", Detail: "the login failed", Problems: []string{err.Error()}}
	}
	return finding{What: "hub", OK: true, Detail: "logged in at " + id.hub}
}

// warningCollector is a zap core that appends the texts of warnings to a slice.
type warningCollector struct{ warnings *[]string }

func (w warningCollector) Enabled(l zapcore.Level) bool      { return l >= zapcore.WarnLevel }
func (w warningCollector) With([]zapcore.Field) zapcore.Core { return w }
func (w warningCollector) Sync() error                       { return nil }
func (w warningCollector) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if w.Enabled(e.Level) {
		return c.AddCore(e, w)
	}
	return c
}

// Write appends the entry's message, preceded by its field "file".
func (w warningCollector) Write(e zapcore.Entry, fields []zapcore.Field) error {
	text := e.Message
	for _, f := range fields {
		if f.Key == "file" {
			text = f.String + ": " + text
		}
	}
	*w.warnings = append(*w.warnings, text)
	return nil
}
