package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Barrier waits until systemd has read all that it was told before, or ctx ends.
// It is for what must not be told twice or lost: a file is stored for sure once
// the barrier after it has returned.
func (m Manager) Barrier(ctx context.Context) (sent bool, err error) {
	if m.Socket == "" {
		return false, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return false, fmt.Errorf("wait for systemd: %w", err)
	}
	defer r.Close()
	sent, err = m.send("BARRIER=1", int(w.Fd()))
	w.Close() // systemd has the only one left, and closes it when it comes to it
	if !sent {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return false, fmt.Errorf("wait for systemd to read what it was told: %w", err)
	}
	return true, nil
}
