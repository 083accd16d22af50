package durable

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxRead is the size, in bytes, of the largest file that Read reads. It exceeds the
// largest file that the agent writes, its events file.
const maxRead = 16 << 20

// Read returns the content of the file at path, which may have at most 16 MiB. It reads
// only a regular file. It follows no symbolic link at the end of path, and it does not
// wait for the other end of a pipe, so that the owner of the directory cannot mislead or
// stop a program of another user.
func Read(path string) ([]byte, error) { return read(path, maxRead, noFollow) }

// ReadLinked returns the content of the regular file at path, which may be a symbolic
// link and may have at most limit bytes. It does not wait for the other end of a pipe.
func ReadLinked(path string, limit int64) ([]byte, error) { return read(path, limit, 0) }

func read(path string, limit int64, flags int) ([]byte, error) {
	var f *os.File
	err := retry(func() (err error) {
		f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|flags, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()

	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}

	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return content, nil
}
