package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
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
	"github.com/latchd/latchd/transport/termtext"
)

// finding is the result of one check.
type finding struct {
	What     string   `json:"what"`
	OK       bool     `json:"ok"`
	Detail   string   `json:"detail"`
	Problems []string `json:"problems,omitempty"` // each with its remedy
	Notes    []string `json:"notes,omitempty"`    // what somebody may want to change although it works
}

// errProblems is the error of 'latchd check' if a check found a problem.
var errProblems = errors.New("the check found problems")

// loginTimeout bounds the test login at the hub.
const loginTimeout = time.Minute

// checkCommand runs all checks and prints their findings as text or JSON.
func checkCommand(ctx context.Context, file, format string, stdout io.Writer) error {
	findings := check(ctx, file)
	if format == "json" {
		return errors.Join(writeJSON(stdout, findings), problemError(findings))
	}
	return printFindings(stdout, findings)
}

// problemError returns errProblems if a check found a problem.
func problemError(findings []finding) error {
	if slices.ContainsFunc(findings, func(f finding) bool { return !f.OK }) {
		return errProblems
	}
	return nil
}

// printFindings prints the findings as text. It returns errProblems if there is a problem.
func printFindings(stdout io.Writer, findings []finding) error {
	for _, f := range findings {
		mark := "ok"
		if !f.OK {
			mark = "PROBLEM"
		}
		fmt.Fprintf(stdout, "%-7s  %s: %s\n", mark, f.What, termtext.Clean(f.Detail))
		for _, line := range slices.Concat(f.Problems, f.Notes) {
			fmt.Fprintf(stdout, "         - %s\n", termtext.Clean(line))
		}
	}
	return problemError(findings)
}

// check takes the same steps as a start of the agent, and continues after each problem.
// If the agent is running, check asks it for the state of lock and hub: a second login
// would cut the agent's connection, and the agent holds the lock's lines.
func check(ctx context.Context, file string) []finding {
	c, problems, lockErr := config.LoadLock(file)
	findings := []finding{checkConfig(file, problems, lockErr)}
	if lockErr != nil {
		c, _ = config.LoadHub(file)
	}

	var id identity
	var usable bool
	if !errors.Is(lockErr, fs.ErrNotExist) {
		var credentials finding
		id, usable, credentials = checkCredentials(c)
		credentials.Notes = strayCredentials(file)
		findings = append(findings, credentials)
	}

	status, err := askStatus(file)
	switch {
	case err == nil:
		return append(findings, checkRunning(status)...)
	case !errors.Is(err, errNotRunning):
		// The agent may be running, so neither its lines nor its connection is touched.
		agent := finding{What: "agent", Detail: "it may be running, but it cannot be asked", Problems: []string{err.Error()}}
		return append(findings, agent, checkClock(clock.System().Set(), false))
	}

	findings = append(findings, finding{What: "agent", OK: true, Detail: "not running"})
	if lockErr == nil {
		findings = append(findings, checkLock(c.Lock))
	}
	if !usable {
		return append(findings, checkClock(clock.System().Set(), false))
	}
	hub := checkHub(ctx, id)
	return append(findings, checkClock(clock.System().Set(), hub.OK), hub)
}

// checkConfig reports the errors of the configuration: problems are those outside the
// table [lock], and lockErr is why the lock cannot be used.
func checkConfig(file string, problems []error, lockErr error) finding {
	f := finding{What: "configuration", OK: lockErr == nil && len(problems) == 0, Detail: file}
	switch {
	case errors.Is(lockErr, fs.ErrNotExist):
		f.Detail = "missing"
	case lockErr != nil:
		f.Detail = "invalid"
	case len(problems) > 0:
		f.Detail = "the lock works, but parts of the file have errors"
	}

	if lockErr != nil {
		f.Problems = strings.Split(lockErr.Error(), "\n")
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
		running.OK, running.Problems = false, append(running.Problems, termtext.Clean(fmt.Sprint(problem)))
	}
	if !running.OK {
		running.Detail = "running; after correcting its files, run 'systemctl reload latchd'"
	}

	lock := finding{What: "lock", OK: true, Detail: textAt(status, "lock", "position")}
	if fault := textAt(status, "lock", "fault"); fault != "" {
		lock.OK, lock.Problems = false, []string{fault}
	}

	hub := checkLink(status)
	return []finding{running, lock, hub, checkClock(clock.System().Set(), hub.OK)}
}

// checkLink judges the running agent's connection to the hub.
func checkLink(status map[string]any) finding {
	f := finding{What: "hub", OK: true, Detail: "connected"}
	failure := textAt(status, "hubFailure")
	switch {
	case textAt(status, "connected") == "true":
		for _, trouble := range twinTroubles(status) {
			f.Problems = append(f.Problems, "device twin: "+trouble)
		}
	case failure != "":
		f.OK, f.Detail, f.Problems = false, "not connected", []string{failure}
	default:
		f.OK, f.Detail = false, "not connected; either the first attempt is still running, or a problem above prevents it"
	}

	f.OK = f.OK && len(f.Problems) == 0
	return f
}

// checkCredentials reads the device's credentials. It counts the warnings of a start,
// such as files that others can read, as problems. usable reports whether the agent can
// log in with them.
func checkCredentials(c config.Config) (id identity, usable bool, f finding) {
	f = finding{What: "credentials"}
	if !c.HasHub() {
		f.Detail, f.Problems = "not known", []string{"the configuration does not say how to reach the hub"}
		return identity{}, false, f
	}

	id, errs := readIdentity(c, zap.New(warningCollector{&f.Problems}))
	f.Detail = "not usable"
	if len(errs) == 0 {
		f.Detail = fmt.Sprintf("device %s at %s", id.name, id.hub)
	}
	for _, err := range errs {
		f.Problems = append(f.Problems, err.Error())
	}
	f.OK = len(f.Problems) == 0
	return id, len(errs) == 0, f
}

// maxStray is the maximum number of stray files that check names.
const maxStray = 10

// strayCredentials names the files in the directory credentials beside the configuration
// that no configuration in the same directory names. Such a file is often a misspelt
// name or a secret that is no longer needed.
func strayCredentials(file string) []string {
	dir := filepath.Dir(file)
	named := make(map[string]bool)
	configs, _ := filepath.Glob(filepath.Join(dir, "*.toml"))
	for _, other := range append(configs, file) {
		c, err := config.LoadHub(other)
		if err != nil {
			continue
		}
		for _, path := range append(c.SecretFiles(), c.Hub.CAFile) {
			named[filepath.Clean(path)] = true
		}
	}

	var notes []string
	filepath.WalkDir(filepath.Join(dir, "credentials"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || named[path] {
			return nil
		}
		notes = append(notes, termtext.Clean(path)+": no configuration names this file; remove it, or correct the name in the configuration")
		if len(notes) == maxStray {
			return fs.SkipAll
		}
		return nil
	})
	return notes
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
		if input.MayIgnoreBias() {
			f.Notes = append(f.Notes, fmt.Sprintf("the chip of the %s may ignore bias = %q; make sure that a resistor pulls the line", input.Name, input.Bias))
		}
	}
	if err != nil {
		f.OK, f.Problems = false, strings.Split(err.Error(), "\n")
	}
	if l.ActuatorConfig().Mode != actuator.Hold {
		f.Detail += "; make sure that a resistor pulls the line to its idle level while nothing drives it"
	}
	return f
}

// checkClock judges the system clock. set reports whether the network or a hardware
// clock has set it. loginWorks reports whether the hub accepts the device's login, which
// it does only if the clock is right.
func checkClock(set, loginWorks bool) finding {
	switch {
	case set:
		return finding{What: "clock", OK: true, Detail: "set by the network"}
	case loginWorks:
		return finding{What: "clock", OK: true, Detail: "not set by the network, but right enough: the hub accepts the login"}
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
