package durable

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// noFollow makes os.OpenFile open a symbolic link at the end of the path itself. The link
// is then refused, because it is no regular file.
const noFollow = syscall.FILE_FLAG_OPEN_REPARSE_POINT

// nonBlock has no meaning on Windows.
const nonBlock = 0

// giveToOwner does nothing: on Windows, a file gets the access control list of its folder.
func giveToOwner(*os.File) error { return nil }

// tryLock locks f exclusively with LockFileEx, without waiting.
func tryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY

	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// rename renames a file, replaces the file at newPath and waits until the change is on
// disk.
func rename(oldPath, newPath string) error {
	from, err := windows.UTF16PtrFromString(oldPath)
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(newPath)
	if err != nil {
		return err
	}

	err = retry(func() error {
		return windows.MoveFileEx(from, to, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
	})
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldPath, New: newPath, Err: err}
	}
	return nil
}

// SyncDir makes changes in the directory dir durable: a power cut does not undo the
// creation, renaming or removal of a file in dir. On Windows it does nothing, because
// NTFS keeps a journal of these changes and has no call that waits for it.
func SyncDir(string) error { return nil }

// The longest time for which retry repeats a call, and the pause before it does.
const (
	retryTime  = 2 * time.Second
	retryPause = 10 * time.Millisecond
)

// retry calls do until it succeeds, at most for retryTime. Windows refuses to open, rename
// or remove a file while another process has it open, such as a second latchctl that
// reads it, or a virus scanner.
func retry(do func() error) error {
	for deadline := time.Now().Add(retryTime); ; time.Sleep(retryPause) {
		err := do()
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || time.Now().After(deadline) {
			return err
		}
	}
}
