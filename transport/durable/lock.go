package durable

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked means that another process, or another lock of this process, holds the
// file or directory.
var ErrLocked = errors.New("locked by another process")

// LockFile locks the file at path until unlock is called or the process ends. It
// creates the file if necessary, readable by its owner only, and never removes it.
// The error is ErrLocked if another process holds the lock.
func LockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return lock(f)
}

// LockDir locks the directory dir itself, so that no lock file stays behind in it.
// It otherwise works as LockFile does.
func LockDir(dir string) (unlock func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return lock(f)
}

// lock takes an exclusive flock on f and closes f on failure.
func lock(f *os.File) (unlock func() error, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f.Close, nil
	}

	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
}
