package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
)

// recordLines saves which lines 'latchd release' must release after this process. By
// then the configuration may have changed or be unreadable. If the lines are already
// on disk, recordLines writes nothing, so that a full disk does not stop the agent.
func recordLines(lock config.Lock, store *agent.Store) error {
	lines, err := linesToRelease(lock)
	if err != nil {
		return fmt.Errorf("record the lock's lines: %w", err)
	}

	var recorded bytes.Buffer
	if saved := store.Get().Lines; saved != nil && json.Compact(&recorded, saved) == nil && bytes.Equal(recorded.Bytes(), lines) {
		return nil
	}

	saved := make(chan error, 1)
	store.Update(func(s *agent.State) { s.Lines = lines }, func(err error) { saved <- err })
	if err := <-saved; err != nil && lines != nil {
		return fmt.Errorf("record the lock's lines, so that they can be released after a crash: %w", err)
	}
	return nil
}

// linesToRelease describes the lines that must not stay energised after a crash. It is
// nil in mode hold.
func linesToRelease(lock config.Lock) (json.RawMessage, error) {
	if lock.Driver != "gpio" || lock.ActuatorConfig().Mode == actuator.Hold {
		return nil, nil
	}
	return json.Marshal(lock.GPIOConfig())
}

// errLinesUnknown means that neither the state nor the configuration says which lines
// to release.
var errLinesUnknown = errors.New("cannot tell which lines to release")

// release drives the lines of a lock in mode pulse or dual to their idle level.
// systemd runs it after the agent has ended for any reason. It releases the lines that
// the agent recorded, and those of the configuration only if there is no record.
//
// systemd runs it as root, because setting up a sandbox would delay the release. The
// record is in a directory in which the agent's user can do anything, so release gives up
// root's rights before it reads the record. If it cannot, it does without the record.
//
// Before that, release withdraws the permission to reboot that 'latchd grant' gave to the
// agent.
func release(file string) error {
	r := newReleaser(file)
	var rebootErr error
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		rebootErr = permitReboot(dir, file, false)
	}
	if err := becomeAgent(r.dir); err != nil {
		return errors.Join(rebootErr, err, r.configured())
	}

	return errors.Join(rebootErr, r.recorded())
}

// releaser knows the lines in the configuration, and where the agent has recorded its
// lines.
type releaser struct {
	lock      config.Lock
	configErr error
	dir       string // the state directory
}

func newReleaser(file string) releaser {
	c, _, err := config.LoadLock(file)
	if err == nil {
		return releaser{lock: c.Lock, dir: c.StateDir}
	}

	// Never read a state file from the working directory: anybody may have put it there.
	return releaser{configErr: err, dir: cmp.Or(os.Getenv("STATE_DIRECTORY"), config.DefaultStateDir(file))}
}

// recorded releases the lines that the agent has recorded or, without a record, those of
// the configuration.
func (r releaser) recorded() error {
	state, err := agent.ReadState(r.dir)
	switch {
	case err != nil && r.configErr != nil:
		return fmt.Errorf("%w: %w, and %w", errLinesUnknown, err, r.configErr)
	case err != nil:
		return r.configured()
	case state.Lines == nil:
		return nil
	}

	var lines gpio.Config
	if err := json.Unmarshal(state.Lines, &lines); err != nil {
		return fmt.Errorf("read which lines to release: %w", err)
	}
	return releaseLines(lines)
}

// configured releases the lines of the configuration.
func (r releaser) configured() error {
	switch {
	case r.configErr != nil:
		return fmt.Errorf("%w: %w", errLinesUnknown, r.configErr)
	case r.lock.Driver != "gpio":
		return nil
	}
	return releaseLines(r.lock.GPIOConfig())
}

func releaseLines(lines gpio.Config) error {
	if err := gpio.Release(lines); err != nil {
		return fmt.Errorf("release the lock's lines: %w", err)
	}
	return nil
}
