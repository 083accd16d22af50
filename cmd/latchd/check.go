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
	wallclock "github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/transport/mqtt"
)

// finding is what a check has found of one thing.
type finding struct {
	What     string   `json:"what"`
	OK       bool     `json:"ok"`
	Detail   string   `json:"detail"`
	Problems []string `json:"problems,omitempty"` // each with what to do
}

// errProblems is the error of a check that has found something.
var errProblems = errors.New("there are problems")

// loginTimeout bounds the attempt to log in.
const loginTimeout = time.Minute

// checkCommand says all that is wrong, by the same steps as a start. If the agent
// runs it is asked instead of the hub and the lock: a second login would cut its
// link.
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

func check(ctx context.Context, file string) []finding {
	c, err := config.Load(file)
	if err != nil {
		return []finding{{What: "configuration", Detail: "it cannot be used", Problems: strings.Split(err.Error(), "\n")}}
	}
	findings := []finding{{What: "configuration", OK: true, Detail: file}}
	who, credentials := checkCredentials(c)
	findings = append(findings, credentials)
	status, err := askStatus(c.StateDir)
	if err == nil {
		running := finding{What: "agent", OK: true, Detail: "it runs, and was asked for what follows"}
		lock := finding{What: "lock", OK: textAt(status, "lock", "fault") == "", Detail: textAt(status, "lock", "position")}
		if !lock.OK {
			lock.Problems = []string{textAt(status, "lock", "fault")}
		}
		hub := finding{What: "hub", OK: textAt(status, "connected") == "true", Detail: "connected"}
		if !hub.OK {
			hub.Detail = "not connected; the journal says why: journalctl -u latchd"
		}
		return append(findings, running, lock, hub, checkClock())
	}
	agentFinding := finding{What: "agent", OK: errors.Is(err, errNotRunning), Detail: "it does not run"}
	if !agentFinding.OK {
		agentFinding.Detail, agentFinding.Problems = "it may run, and cannot be asked", []string{err.Error()}
		return append(findings, agentFinding) // so neither its line nor its link is touched
	}
	findings = append(findings, agentFinding, checkLock(c.Lock), checkClock())
	if !credentials.OK {
		return findings
	}
	return append(findings, checkHub(ctx, who))
}

// checkCredentials reads what the agent logs in with. What the start only warns of
// is a problem here.
func checkCredentials(c config.Config) (identity, finding) {
	f := finding{What: "credentials"}
	log := zap.New(noted{&f.Problems})
	who, err := readIdentity(c, log)
	if err != nil {
		f.Problems = append(f.Problems, err.Error())
	}
	f.OK = len(f.Problems) == 0
	f.Detail = fmt.Sprintf("of %s at %s", who.name, who.hub)
	if err != nil {
		f.Detail = "they cannot be used"
	}
	return who, f
}

func checkLock(l config.Lock) finding {
	f := finding{What: "lock", OK: true, Detail: "driver " + l.Driver + ", mode " + l.Mode}
	if l.Driver != "gpio" {
		return f
	}
	if err := gpio.Check(l.GPIOConfig()); err != nil {
		f.OK, f.Problems = false, strings.Split(err.Error(), "\n")
	}
	if l.ActuatorConfig().Mode != actuator.Hold {
		f.Detail += "; the idle level must be what the line falls to when nobody drives it: check that there is a resistor that pulls it there"
	}
	return f
}

func checkClock() finding {
	f := finding{What: "clock", OK: wallclock.System().Set(), Detail: "set by the network"}
	if !f.OK {
		f.Detail = time.Now().Format(time.RFC3339)
		f.Problems = []string{"the time may be wrong, and with it certificates and tokens are refused: see 'timedatectl status'"}
	}
	return f
}

// checkHub logs in as the agent does.
func checkHub(ctx context.Context, who identity) finding {
	ctx, stop := context.WithTimeout(ctx, loginTimeout)
	defer stop()
	store, err := agent.OpenStore("", zap.NewNop()) // nothing of it is to last
	if err == nil {
		err = mqtt.Try(ctx, who.options(store, time.Now, zap.NewNop()))
	}
	if err != nil {
		return finding{What: "hub", Detail: "the login failed", Problems: []string{err.Error()}}
	}
	return finding{What: "hub", OK: true, Detail: "logged in at " + who.hub}
}

// noted is a log that takes warnings down.
type noted struct{ warnings *[]string }

func (n noted) Enabled(l zapcore.Level) bool      { return l >= zapcore.WarnLevel }
func (n noted) With([]zapcore.Field) zapcore.Core { return n }
func (n noted) Sync() error                       { return nil }
func (n noted) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if n.Enabled(e.Level) {
		return c.AddCore(e, n)
	}
	return c
}

func (n noted) Write(e zapcore.Entry, fields []zapcore.Field) error {
	text := e.Message
	for _, f := range fields {
		if f.Key == "file" {
			text = f.String + ": " + text
		}
	}
	*n.warnings = append(*n.warnings, text)
	return nil
}
