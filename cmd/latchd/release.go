package main

import (
	"bytes"
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

// noteLines puts on disk which lines are to be let go after this process. The
// configuration may be another one, or not be readable, by then. What is there
// already is not written again: the disk may be full.
func noteLines(lock config.Lock, store *agent.Store) error {
	var lines json.RawMessage
	if lock.Driver == "gpio" && lock.ActuatorConfig().Mode != actuator.Hold {
		text, err := json.Marshal(lock.GPIOConfig())
		if err != nil {
			return fmt.Errorf("note the lock's lines: %w", err)
		}
		lines = text
	}
	var there bytes.Buffer
	if noted := store.Get().Lines; noted != nil && json.Compact(&there, noted) == nil && bytes.Equal(there.Bytes(), lines) {
		return nil
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
		if dir = os.Getenv("STATE_DIRECTORY"); dir == "" { // the working directory may be anybody's
			return fmt.Errorf("which lines to let go is not known: %w", configErr)
		}
	}
	if err := becomeOwner(dir); err != nil {
		return fmt.Errorf("give up root's rights: %w", err)
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
		return letGo(c.Lock.GPIOConfig())
	}
	return nil
}

func letGo(lines gpio.Config) error {
	if err := gpio.Release(lines); err != nil {
		return fmt.Errorf("let the lock's lines go: %w", err)
	}
	return nil
}

// becomeOwner gives up root's rights for those of whom the directory belongs to. A
// directory that is not there leaves nothing to read.
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
	name, err := user.LookupId(strconv.Itoa(int(owner.Uid)))
	if err != nil {
		return err
	}
	ids, err := name.GroupIds() // among them the one that has the chips
	if err != nil {
		return err
	}
	groups := make([]int, len(ids))
	for i, id := range ids {
		if groups[i], err = strconv.Atoi(id); err != nil {
			return err
		}
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setgid(int(owner.Gid)); err != nil {
		return err
	}
	return syscall.Setuid(int(owner.Uid))
}
