package main

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
)

// Who has connected and asks for nothing does not hold up the end of the agent,
// and with it the end of a pulse.
func TestAConnectionThatAsksNothingDoesNotHoldUpTheEnd(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := listenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&control{linked: new(atomic.Bool), log: zap.NewNop()}).serve(ctx, listener)
	}()
	for range 3 {
		conn, err := net.Dial("unix", controlPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	stop()
	select {
	case <-ended:
	case <-time.After(controlTimeout / 2):
		t.Error("it still waits for a question")
	}
}
