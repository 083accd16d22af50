package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/latchd/latchd/transport/durable"
)

// askedEvery is how often a running rollout looks whether it is asked to stop.
const askedEvery = 100 * time.Millisecond

// ErrBusy says that another latchctl runs the rollout.
var ErrBusy = errors.New("another latchctl runs this rollout")

// Lock makes this process the only one that runs the rollout, until unlock is
// called or the process ends.
func (s Store) Lock(id string) (unlock func() error, err error) {
	if err := durable.MakeDir(string(s), 0o700); err != nil {
		return nil, err
	}

	unlock, err = durable.LockFile(filepath.Join(string(s), id+".lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("%w: %s", ErrBusy, id)
	}
	return unlock, err
}

// The wish that a rollout stop is a file beside its own, so that it outlives
// whoever wishes it and whoever runs the rollout.
func (s Store) stopFile(id string) string { return filepath.Join(string(s), id+".stop") }

// AskToStop leaves the wish that the rollout stop before its next job.
func (s Store) AskToStop(id, reason string) error {
	if err := durable.Replace(s.stopFile(id), []byte(reason), 0o600); err != nil {
		return fmt.Errorf("ask rollout %s to stop: %w", id, err)
	}
	return nil
}

// StopAsked returns the wish that the rollout stop, if there is one.
func (s Store) StopAsked(id string) (reason string, asked bool) {
	text, err := os.ReadFile(s.stopFile(id))
	return string(text), err == nil
}

// ForgetStop takes the wish back.
func (s Store) ForgetStop(id string) error {
	if err := os.Remove(s.stopFile(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(string(s))
}

// stopAsked is the cause of a context that ended by the wish to stop.
type stopAsked struct{ reason string }

func (s stopAsked) Error() string { return "asked to stop: " + s.reason }

// Stoppable returns a context that ends when the rollout is asked to stop.
func (s Store) Stoppable(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		look := time.NewTicker(askedEvery)
		defer look.Stop()
		for {
			if reason, asked := s.StopAsked(id); asked {
				cancel(stopAsked{reason})
				return
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
