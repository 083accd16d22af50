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

// Locked reports whether the file at path is locked by [LockFile]. It creates no file: a
// missing file is not locked. Locked itself locks the file for a moment, so a LockFile at
// the same time can fail with ErrLocked.
func Locked(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}

	unlock, err := lock(f)
	if errors.Is(err, ErrLocked) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, unlock()
}

// lock locks f exclusively. It closes f if that fails.
func lock(f *os.File) (unlock func() error, err error) {
	if err := tryLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f.Close, nil
}
