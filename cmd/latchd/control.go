package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
)

// A running agent can be asked over a socket in its state directory, which only its
// user and root can enter. A conversation is one direct method and its answer, in
// the shapes of the hub's service API.

const (
	// controlTimeout bounds what needs no motion.
	controlTimeout = 5 * time.Second
	// motionTimeout bounds a motion: the minimum interval may have to pass before it,
	// the bolt's time comes on top.
	motionTimeout = 90 * time.Second
	// maxControlRequest bounds what is read of who asks, in bytes.
	maxControlRequest = 4096
)

// motions are the methods that can be asked for, besides getStatus.
var motions = map[string]bool{"lockDoor": true, "unlockDoor": true}

func controlPath(stateDir string) string { return filepath.Join(stateDir, "latchd.sock") }

// listenControl opens the socket. One that is there is left of a process that was
// killed: two agents do not share a state directory.
func listenControl(stateDir string) (*net.UnixListener, error) {
	path := controlPath(stateDir)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// control answers on the socket.
type control struct {
	agent  *agent.Agent
	device string
	linked *atomic.Bool // whether there is a link to the hub
	log    *zap.Logger
}

// serve answers until ctx ends, and finishes what was begun.
func (c *control) serve(ctx context.Context, listener *net.UnixListener) {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return // closed
		}
		talks.Go(func() {
			defer conn.Close()
			c.talk(ctx, conn)
		})
	}
}

// talk has one conversation. Who does not take the answer has gone; who has not asked
// when ctx ends is not waited for.
func (c *control) talk(ctx context.Context, conn *net.UnixConn) {
	conn.SetDeadline(time.Now().Add(controlTimeout))
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	var m iothub.MethodRequest
	if err := json.NewDecoder(io.LimitReader(conn, maxControlRequest)).Decode(&m); err != nil {
		return
	}
	status, payload := c.answer(ctx, conn, m)
	conn.SetDeadline(time.Now().Add(controlTimeout))
	json.NewEncoder(conn).Encode(map[string]any{"status": status, "payload": payload})
}

func (c *control) answer(ctx context.Context, conn *net.UnixConn, m iothub.MethodRequest) (status int, payload any) {
	switch {
	case m.MethodName == "getStatus":
		state := c.agent.Status()
		state["connected"], state["deviceId"] = c.linked.Load(), c.device
		return http.StatusOK, state
	case !motions[m.MethodName]:
		return http.StatusNotFound, map[string]string{"message": fmt.Sprintf("%q cannot be asked for on the machine itself", m.MethodName)}
	case !mayMove(conn):
		return http.StatusForbidden, map[string]string{"message": "only root may move the lock"}
	}
	c.log.Info("asked on the machine itself", zap.String("method", m.MethodName))
	return c.agent.Invoke(ctx, iothub.Method{Name: m.MethodName, Payload: m.Payload})
}

// mayMove reports whether root is at the other end, or the agent's own user, to
// whom the line belongs.
func mayMove(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var peer *syscall.Ucred
	if raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}) != nil || err != nil {
		return false
	}
	return peer.Uid == 0 || int(peer.Uid) == os.Getuid()
}

// errNotRunning says that there is no agent to ask.
var errNotRunning = errors.New("the agent does not run; see 'systemctl status latchd' and 'journalctl -u latchd'")

// ask has the running agent carry out a method.
func ask(stateDir string, m iothub.MethodRequest) (iothub.MethodResponse, error) {
	var answer iothub.MethodResponse
	conn, err := net.DialTimeout("unix", controlPath(stateDir), controlTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return answer, errNotRunning
	case errors.Is(err, fs.ErrPermission):
		return answer, fmt.Errorf("ask the agent: %w; run it as root", err)
	case err != nil:
		return answer, fmt.Errorf("ask the agent: %w", err)
	}
	defer conn.Close()
	timeout := controlTimeout
	if motions[m.MethodName] {
		timeout = motionTimeout
	}
	conn.SetDeadline(time.Now().Add(timeout))
	err = json.NewEncoder(conn).Encode(m)
	if err == nil {
		err = json.NewDecoder(conn).Decode(&answer)
	}
	if err != nil {
		return answer, fmt.Errorf("ask the agent: %w", err)
	}
	return answer, nil
}

// askStatus asks the running agent how it is.
func askStatus(stateDir string) (iothub.Object, error) {
	answer, err := ask(stateDir, iothub.MethodRequest{MethodName: "getStatus"})
	if err != nil {
		return nil, err
	}
	var status iothub.Object
	if err := json.Unmarshal(answer.Payload, &status); err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	return status, nil
}
