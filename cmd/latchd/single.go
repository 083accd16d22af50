package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errRuns says that the state directory is another process's.
var errRuns = errors.New("another latchd runs with this state directory; see 'systemctl status latchd'")

// lockState takes the state directory for this process until the file is closed, or
// the process ends in whatever way: two agents would drive one lock, and take each
// other's link. It is the directory itself that is locked, so that nothing is left
// in it.
func lockState(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errRuns
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
