package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// A running agent tells how it is over a socket in its state directory, which only
// its user and root can enter: who connects gets one JSON document.

// controlTimeout bounds a conversation.
const controlTimeout = 5 * time.Second

func controlPath(stateDir string) string { return filepath.Join(stateDir, "latchd.sock") }

// listenStatus opens the socket. One that is there is left of a process that was
// killed: two agents do not share a state directory.
func listenStatus(stateDir string) (net.Listener, error) {
	path := controlPath(stateDir)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// serveStatus answers on the socket until ctx ends.
func serveStatus(ctx context.Context, listener net.Listener, status func() iothub.Object) {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		conn.SetDeadline(time.Now().Add(controlTimeout))
		json.NewEncoder(conn).Encode(status()) // who does not take it has gone
		conn.Close()
	}
}

// errNotRunning says that there is no agent to ask.
var errNotRunning = errors.New("the agent does not run; see 'systemctl status latchd' and 'journalctl -u latchd'")

// askStatus asks the running agent.
func askStatus(stateDir string) (iothub.Object, error) {
	conn, err := net.DialTimeout("unix", controlPath(stateDir), controlTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNotRunning
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("ask the agent: %w; run it as root", err)
	case err != nil:
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlTimeout))
	var status iothub.Object
	if err := json.NewDecoder(conn).Decode(&status); err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return status, nil
}
