package durable

import (
	"io"
	"os"
)

// Files is what a program needs of a file system to keep small files. [Disk] is the real
// one. A simulation passes another, to fail a write or to cut the power in the middle of
// one.
type Files interface {
	// ReadFile works like the function [Read].
	ReadFile(path string) ([]byte, error)
	// Replace works like the function [Replace].
	Replace(path string, content []byte, mode os.FileMode) error
	// Append opens the existing file at path for appending.
	Append(path string) (Appender, error)
	// SetAside works like the function [SetAside].
	SetAside(path string) (aside string, err error)
}

// Appender is a file that is open for appending. A power cut can lose all that was
// written since the last Sync.
type Appender interface {
	io.WriteCloser
	Sync() error
}

// Disk is the computer's file system.
type Disk struct{}

var _ Files = Disk{}

// ReadFile implements [Files].
func (Disk) ReadFile(path string) ([]byte, error) { return Read(path) }

// Replace implements [Files].
func (Disk) Replace(path string, content []byte, mode os.FileMode) error {
	return Replace(path, content, mode)
}

// Append implements [Files].
func (Disk) Append(path string) (Appender, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
}

// SetAside implements [Files].
func (Disk) SetAside(path string) (aside string, err error) { return SetAside(path) }
