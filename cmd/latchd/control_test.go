package main

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/zap"
)

// A client that connects to the control socket and sends no request does not delay the
// agent's shutdown, and so not the end of a pulse.
func TestIdleConnectionDoesNotDelayShutdown(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	listener, err := listenControl(stateSocket(dir))
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&controlServer{log: zap.NewNop()}).serve(ctx, listener)
	}()

	for range 3 {
		conn, err := net.Dial("unix", stateSocket(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}

	stop()
	select {
	case <-ended:
	case <-time.After(controlTimeout / 2):
		t.Error("the server still waits for a request")
	}
}
