package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

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
func release(file string) error {
	c, _, configErr := config.LoadLock(file)
	dir := c.StateDir
	if configErr != nil {
		// Never read a state file from the working directory: anybody may have put it there.
		dir = cmp.Or(os.Getenv("STATE_DIRECTORY"), config.DefaultStateDir(file))
	}

	if err := becomeOwner(dir); err != nil {
		return fmt.Errorf("drop root's privileges: %w", err)
	}

	state, err := agent.ReadState(dir)
	switch {
	case err == nil && state.Lines == nil:
		return nil
	case err == nil:
		var lines gpio.Config
		if err := json.Unmarshal(state.Lines, &lines); err != nil {
			return fmt.Errorf("read which lines to release: %w", err)
		}
		return releaseLines(lines)
	case configErr != nil:
		return fmt.Errorf("%w: %w, and %w", errLinesUnknown, err, configErr)
	case c.Lock.Driver == "gpio":
		return releaseLines(c.Lock.GPIOConfig())
	}
	return nil
}

func releaseLines(lines gpio.Config) error {
	if err := gpio.Release(lines); err != nil {
		return fmt.Errorf("release the lock's lines: %w", err)
	}
	return nil
}

// becomeOwner permanently changes a root process to the user and groups of the owner
// of dir. It does nothing if dir does not exist: then there is no state to read.
func becomeOwner(dir string) error {
	info, err := os.Stat(dir)
	if os.Getuid() != 0 || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}

	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 {
		return nil
	}
	groups, err := groupsOf(owner.Uid)
	if err != nil {
		return err
	}

	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setgid(int(owner.Gid)); err != nil {
		return err
	}
	return syscall.Setuid(int(owner.Uid))
}

// groupsOf returns the groups of a user. One of them gives access to the GPIO chips.
func groupsOf(uid uint32) ([]int, error) {
	account, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil {
		return nil, err
	}
	ids, err := account.GroupIds()
	if err != nil {
		return nil, err
	}

	groups := make([]int, len(ids))
	for i, id := range ids {
		if groups[i], err = strconv.Atoi(id); err != nil {
			return nil, err
		}
	}
	return groups, nil
}
