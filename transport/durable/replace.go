// Package durable keeps small files intact during crashes and power cuts. Use [Replace]
// to write a file and [Read] to read it, [LockFile] or [LockDir] to keep a second process
// away from a set of files, and [MakeDir] to create the directory that holds them.
//
// Guarantees:
//   - After a crash or a power cut, a replaced file has either its complete old content
//     or its complete new content.
//   - When Replace, SyncDir or MakeDir returns without an error, the change is on disk.
//   - The kernel releases a lock when its process ends, even if the process crashes.
//   - If root runs the program, a new file gets the owner of its directory. So a command that
//     root runs leaves no file that the directory's owner cannot read.
//   - On Windows, a file that another process has open for a moment delays the calls by
//     at most two seconds. Modes have no effect there; the access control list of the
//     folder applies.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes content to the file at path atomically and durably. The file gets
// exactly the permissions mode; the umask does not apply.
//
// Replace first writes a temporary file named path + ".new" and then renames it to
// path. Two goroutines or processes must therefore not replace the same file at once.
// If the temporary file already exists, Replace removes it first.
func Replace(path string, content []byte, mode os.FileMode) error {
	f, err := createTemporary(path+".new", mode)
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	temporary := f.Name()

	if err := writeSynced(f, content, mode); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", path, err), os.Remove(temporary))
	}
	if err := rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}

	return SyncDir(filepath.Dir(path))
}

// createTemporary creates a new file at path. It removes an existing file instead of
// opening it. The existing file may belong to another user, for example if somebody ran
// a command as root.
func createTemporary(path string, mode os.FileMode) (*os.File, error) {
	os.Remove(path) // ignore the error: if the file is still there, OpenFile fails
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// writeSynced writes content to a new file, syncs the file to disk and closes it.
func writeSynced(f *os.File, content []byte, mode os.FileMode) (err error) {
	defer func() { err = errors.Join(err, f.Close()) }()

	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := giveToOwner(f); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}

	return f.Sync()
}

// Remove removes the file at path durably.
func Remove(path string) error {
	if err := retry(func() error { return os.Remove(path) }); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// MakeDir creates the directory dir and its missing parents durably. New directories
// get the permissions mode, less the umask. MakeDir leaves an existing directory
// unchanged.
func MakeDir(dir string, mode os.FileMode) error {
	var parents []string // parents of the directories that do not exist yet
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		parents = append(parents, filepath.Dir(d))
	}

	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}

	for _, parent := range parents {
		if err := SyncDir(parent); err != nil {
			return err
		}
	}
	return nil
}

// SetAside renames a file that the program cannot use, so that somebody can examine it
// later. It returns the file's new path.
func SetAside(path string) (aside string, err error) {
	aside = path + ".bad"
	return aside, os.Rename(path, aside)
}
