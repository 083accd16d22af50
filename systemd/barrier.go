package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Barrier waits until systemd has processed all earlier messages of this process, or
// until ctx ends. For example, a file passed to Store is safe only after a Barrier that
// follows Store.
func (m Manager) Barrier(ctx context.Context) (sent bool, err error) {
	if m.Socket == "" {
		return false, nil
	}

	r, w, err := os.Pipe()
	if err != nil {
		return false, fmt.Errorf("wait for systemd: %w", err)
	}
	defer r.Close()

	// systemd receives a duplicate of the pipe's write end and closes it when it
	// processes the message. This process closes its own write end now. The read end r
	// then returns EOF once systemd has processed the message.
	sent, err = m.send("BARRIER=1", int(w.Fd()))
	w.Close()
	if !sent {
		return false, err
	}

	defer context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return false, fmt.Errorf("wait for systemd to process earlier messages: %w", err)
	}
	return true, nil
}
