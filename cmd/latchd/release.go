package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
)

// noteLines puts on disk which lines are to be let go after this process. The
// configuration may be another one, or not be readable, by then.
func noteLines(lock config.Lock, store *agent.Store) error {
	var lines json.RawMessage
	if lock.Driver == "gpio" && lock.Actuator().Mode != actuator.Hold {
		text, err := json.Marshal(lock.Lines())
		if err != nil {
			return fmt.Errorf("note the lock's lines: %w", err)
		}
		lines = text
	}
	onDisk := make(chan error, 1)
	store.Update(func(s *agent.State) { s.Lines = lines }, func(err error) { onDisk <- err })
	if err := <-onDisk; err != nil && lines != nil {
		return fmt.Errorf("note the lock's lines, so that they can be let go after a crash: %w", err)
	}
	return nil
}

// release lets go the lines of a lock that moves by pulses, whatever the process
// that held them has left. systemd runs it after every kind of end. It goes by
// what that process has noted, and by the configuration only where that is lost.
func release(file string) error {
	c, configErr := config.Load(file)
	dir := c.StateDir
	if configErr != nil {
		dir = os.Getenv("STATE_DIRECTORY")
	}
	state, err := agent.ReadState(dir)
	switch {
	case err == nil && state.Lines == nil:
		return nil
	case err == nil:
		var lines gpio.Config
		if err := json.Unmarshal(state.Lines, &lines); err != nil {
			return fmt.Errorf("read which lines to let go: %w", err)
		}
		return letGo(lines)
	case configErr != nil:
		return fmt.Errorf("which lines to let go is not known: %w, and %w", err, configErr)
	case c.Lock.Driver == "gpio":
		return letGo(c.Lock.Lines())
	}
	return nil
}

func letGo(lines gpio.Config) error {
	if err := gpio.Release(lines); err != nil {
		return fmt.Errorf("let the lock's lines go: %w", err)
	}
	return nil
}
