package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/latchd/latchd/transport/durable"
)

// stopInterval is how often the process that runs a rollout checks for a request to
// stop it.
const stopInterval = 100 * time.Millisecond

// ErrBusy means that another latchctl process is running the rollout.
var ErrBusy = errors.New("another latchctl process is running this rollout")

// Lock locks the rollout, so that no other process can run it. The lock ends when
// unlock is called or the process ends.
func (s Store) Lock(id string) (unlock func() error, err error) {
	if err := durable.MakeDir(string(s), 0o700); err != nil {
		return nil, err
	}

	unlock, err = durable.LockFile(s.lockFile(id))
	for begin := time.Now(); errors.Is(err, durable.ErrLocked) && time.Since(begin) < lockPatience; {
		time.Sleep(lockPatience / 20)
		unlock, err = durable.LockFile(s.lockFile(id))
	}
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("%w: %s", ErrBusy, id)
	}
	return unlock, err
}

// lockPatience is how long Lock waits for the lock, because Show takes it for a moment.
const lockPatience = 100 * time.Millisecond

func (s Store) lockFile(id string) string { return filepath.Join(string(s), id+".lock") }

// locked reports whether a process runs the rollout. It returns true if it cannot find
// out.
func (s Store) locked(id string) bool {
	locked, err := durable.Locked(s.lockFile(id))
	return locked || err != nil
}

// stopFile returns the path of the file whose existence requests a stop of the
// rollout. The request remains when the processes that write and read it end.
func (s Store) stopFile(id string) string { return filepath.Join(string(s), id+".stop") }

// RequestStop asks the process that runs the rollout to stop before it creates the next
// job.
func (s Store) RequestStop(id, reason string) error {
	if err := durable.Replace(s.stopFile(id), []byte(reason), 0o600); err != nil {
		return fmt.Errorf("request to stop rollout %s: %w", id, err)
	}
	return nil
}

// StopRequested reports whether a stop of the rollout is requested, and returns the
// reason.
func (s Store) StopRequested(id string) (reason string, requested bool) {
	text, err := durable.ReadLinked(s.stopFile(id), maxFile)
	return string(text), err == nil
}

// ClearStop removes the request to stop the rollout, if there is one.
func (s Store) ClearStop(id string) error {
	err := durable.Remove(s.stopFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// stopError is the cause with which WithStop ends a context when somebody requests a
// stop.
type stopError struct{ reason string }

func (e stopError) Error() string { return "stop requested: " + e.reason }

// WithStop returns a context that ends when someone requests a stop of the rollout.
func (s Store) WithStop(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)

	go func() {
		ticker := time.NewTicker(stopInterval)
		defer ticker.Stop()
		for {
			if reason, requested := s.StopRequested(id); requested {
				cancel(stopError{reason})
				return
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()

	return ctx, func() { cancel(nil) }
}
