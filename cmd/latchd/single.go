package main

import (
	"errors"
	"fmt"

	"github.com/latchd/latchd/transport/durable"
)

// errAlreadyRunning means that another latchd process holds the state directory.
var errAlreadyRunning = errors.New("another latchd runs with this state directory; see 'systemctl status latchd'")

// lockStateDir keeps a second agent from running with the state directory dir until
// unlock is called or the process ends. Two agents would drive the same lock and cut
// each other's connection to the hub.
func lockStateDir(dir string) (unlock func() error, err error) {
	unlock, err = durable.LockDir(dir)
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, fmt.Errorf("lock %s: %w", dir, errAlreadyRunning)
	case err != nil:
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return unlock, nil
}
