package durable

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked means that a file or directory is already locked, by another process or by
// an earlier call in this process.
var ErrLocked = errors.New("locked by another process")

// LockFile locks the file at path. The lock lasts until unlock is called or the process
// ends. LockFile creates a missing file, readable by its owner only, and never removes
// it. If the file is already locked, the error is ErrLocked.
func LockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	if err := giveToOwner(f); err != nil {
		f.Close()
		return nil, err
	}
	return lock(f)
}

// lock locks f exclusively. It closes f if that fails.
func lock(f *os.File) (unlock func() error, err error) {
	if err := tryLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f.Close, nil
}
