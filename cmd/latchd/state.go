package main

import (
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/agent/events"
)

// openedState is the agent's state and its events.
type openedState struct {
	dir    string // the state directory; empty if it is unusable and all state is in memory
	store  *agent.Store
	events *events.Log
	unlock func() error
}

// openState opens the state directory. If the directory is unusable, the state is in
// memory only: a lock in mode hold works without it. In the modes pulse and dual,
// openState then returns an error, because after a crash 'latchd release' would not know
// which lines to release.
func openState(c config.Config, found *problems, log *zap.Logger) (*openedState, error) {
	dir := c.StateDir
	unlock, err := useStateDir(dir)
	if errors.Is(err, errAlreadyRunning) {
		return nil, err
	}
	if err != nil {
		err = fmt.Errorf("the state directory %s is unusable, so settings, events and promised locks do not survive a restart: %w", dir, err)
		if lines, _ := linesToRelease(c.Lock); lines != nil {
			return nil, fmt.Errorf("%w; the modes pulse and dual need the directory, because it tells which lines to release after a crash", err)
		}
		dir, unlock = "", func() error { return nil }
	}
	found.set(problemState, err)

	store, err := agent.OpenStore(dir, log)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	if err := recordLines(c.Lock, store); err != nil {
		store.Close()
		return nil, errors.Join(err, unlock())
	}

	return &openedState{dir, store, events.Open(dir, events.DefaultLimits, log), unlock}, nil
}

// useStateDir makes the state directory if necessary, checks that it can be used, and
// locks it until unlock is called.
func useStateDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err = lockStateDir(dir)
	if err != nil {
		return nil, err
	}

	if _, err := os.ReadDir(dir); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return unlock, nil
}

func (s *openedState) close() {
	s.events.Close()
	s.store.Close()
	s.unlock()
}
