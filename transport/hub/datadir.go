package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchd/latchd/transport/durable"
)

// openDataDir creates the directory dir if it is missing. It locks the directory, so
// that no second hub can use it.
func openDataDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w; choose another with --data", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w; it must belong to the user that runs the hub", err)
	}

	unlock, err = durable.LockFile(filepath.Join(dir, "lock"))
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, fmt.Errorf("data directory %s is in use by another hub; stop that hub or choose another directory with --data", dir)
	case err != nil:
		return nil, fmt.Errorf("data directory is not writable: %w; choose another with --data", err)
	}
	return unlock, nil
}
