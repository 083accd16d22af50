//go:build unix

package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// noFollow makes os.OpenFile refuse a symbolic link at the end of the path.
const noFollow = syscall.O_NOFOLLOW

// nonBlock makes os.OpenFile not wait for the other end of a pipe.
const nonBlock = syscall.O_NONBLOCK

// giveToOwner gives a regular file to the owner of its directory, if root runs the program.
// It refuses a file with several names: the owner of the directory may have linked it to a
// file of somebody else.
func giveToOwner(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}

	var file, dir syscall.Stat_t
	if err := errors.Join(syscall.Fstat(int(f.Fd()), &file), syscall.Stat(filepath.Dir(f.Name()), &dir)); err != nil {
		return fmt.Errorf("owner of %s: %w", f.Name(), err)
	}
	switch {
	case file.Uid == dir.Uid:
		return nil
	case file.Mode&syscall.S_IFMT != syscall.S_IFREG || file.Nlink != 1:
		return fmt.Errorf("%s is not a file with one name, so its owner stays the same", f.Name())
	}
	return f.Chown(int(dir.Uid), int(dir.Gid))
}

// LockDir locks the directory dir without creating a lock file in it. The lock lasts
// until unlock is called or the process ends. If the directory is already locked, the
// error is ErrLocked. Windows has no such locks.
func LockDir(dir string) (unlock func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return lock(f)
}

// tryLock locks f exclusively with flock(2), without waiting.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// rename renames a file and replaces the file at newPath. SyncDir makes the change
// durable.
func rename(oldPath, newPath string) error { return os.Rename(oldPath, newPath) }

// SyncDir makes changes in the directory dir durable: a power cut does not undo the
// creation, renaming or removal of a file in dir. On Windows it does nothing, because
// NTFS keeps a journal of these changes and has no call that waits for it.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// retry calls do once. On this system, another process that has a file open does not make
// do fail.
func retry(do func() error) error { return do() }
