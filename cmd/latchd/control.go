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

// The control socket lets commands such as 'latchd status' ask the running agent. It
// is in the state directory, which only root and the agent's user can enter. A
// connection carries one direct method and its answer, as JSON in the format of the
// hub's service API.

const (
	// controlTimeout bounds reading a request, writing an answer, and waiting for a
	// method that does not move the lock.
	controlTimeout = 5 * time.Second
	// motionTimeout bounds waiting for a method that moves the lock. It covers the
	// minimum interval, which may have to pass first, and the motion itself.
	motionTimeout = 90 * time.Second
	// maxControlRequest is the maximum size of a request in bytes.
	maxControlRequest = 4096
)

// motionMethods are the methods that the control socket offers besides getStatus.
var motionMethods = map[string]bool{"lockDoor": true, "unlockDoor": true}

func controlPath(stateDir string) string { return filepath.Join(stateDir, "latchd.sock") }

// listenControl opens the control socket. It removes an existing socket, which a
// killed process left behind: the state directory is locked, so no other agent is
// using it.
func listenControl(stateDir string) (*net.UnixListener, error) {
	path := controlPath(stateDir)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// controlServer answers requests on the control socket.
type controlServer struct {
	agent     *agent.Agent
	deviceID  string
	connected *atomic.Bool // whether the agent is connected to the hub
	log       *zap.Logger
}

// serve accepts connections until ctx ends. It returns when all started methods have
// been answered.
func (c *controlServer) serve(ctx context.Context, listener *net.UnixListener) {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	var conns sync.WaitGroup
	defer conns.Wait()

	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return // the listener is closed
		}
		conns.Go(func() {
			defer conn.Close()
			c.handle(ctx, conn)
		})
	}
}

// handle answers one request. When ctx ends, it stops waiting for a request that has
// not come yet.
func (c *controlServer) handle(ctx context.Context, conn *net.UnixConn) {
	conn.SetDeadline(time.Now().Add(controlTimeout))
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	var m iothub.MethodRequest
	if err := json.NewDecoder(io.LimitReader(conn, maxControlRequest)).Decode(&m); err != nil {
		return
	}

	status, payload := c.answer(ctx, conn, m)

	conn.SetDeadline(time.Now().Add(controlTimeout))
	json.NewEncoder(conn).Encode(map[string]any{"status": status, "payload": payload}) // an error means that the client has gone
}

func (c *controlServer) answer(ctx context.Context, conn *net.UnixConn, m iothub.MethodRequest) (status int, payload any) {
	switch {
	case m.MethodName == "getStatus":
		state := c.agent.Status()
		state["connected"], state["deviceId"] = c.connected.Load(), c.deviceID
		return http.StatusOK, state
	case !motionMethods[m.MethodName]:
		return http.StatusNotFound, map[string]string{"message": fmt.Sprintf("the method %q is not available on the control socket", m.MethodName)}
	case !mayMove(conn):
		return http.StatusForbidden, map[string]string{"message": "only root may move the lock"}
	}

	c.log.Info("running a method from the control socket", zap.String("method", m.MethodName))
	return c.agent.Invoke(ctx, iothub.Method{Name: m.MethodName, Payload: m.Payload})
}

// mayMove reports whether the client may move the lock: it must be root or the agent's
// own user, which owns the lock's lines.
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

// errNotRunning means that no agent listens on the control socket.
var errNotRunning = errors.New("the agent is not running; see 'systemctl status latchd' and 'journalctl -u latchd'")

// ask invokes a method of the running agent over its control socket.
func ask(stateDir string, m iothub.MethodRequest) (iothub.MethodResponse, error) {
	var answer iothub.MethodResponse
	conn, err := net.DialTimeout("unix", controlPath(stateDir), controlTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return answer, errNotRunning
	case errors.Is(err, fs.ErrPermission):
		return answer, fmt.Errorf("ask the agent: %w; run this command as root", err)
	case err != nil:
		return answer, fmt.Errorf("ask the agent: %w", err)
	}
	defer conn.Close()

	timeout := controlTimeout
	if motionMethods[m.MethodName] {
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

// askStatus returns the status of the running agent.
func askStatus(stateDir string) (iothub.Object, error) {
	answer, err := ask(stateDir, iothub.MethodRequest{MethodName: "getStatus"})
	if err != nil {
		return nil, err
	}

	var status iothub.Object
	if err := json.Unmarshal(answer.Payload, &status); err != nil {
		return nil, fmt.Errorf("read the agent's answer: %w", err)
	}
	return status, nil
}
