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
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
)

// The control socket lets commands such as 'latchd status' and 'latchd unlock' ask the
// running agent. A connection carries one request and its answer. The request is a direct
// method in the format of the hub's service API, with the member overrideLockdown.
//
// The socket is in the unit's runtime directory. Its mode decides who may use it: root,
// the agent's user and the socket's group, which 'latchd grant' sets to latchd-operators.
// Without a runtime directory, the socket is in the state directory, which only root and
// the agent's user can enter.

const (
	// controlTimeout bounds reading a request, writing an answer, and waiting for a
	// method that does not move the lock.
	controlTimeout = 5 * time.Second
	// motionTimeout bounds waiting for a method that moves the lock. It covers the
	// minimum interval, which may have to pass first, and the motion itself.
	motionTimeout = 90 * time.Second
	// maxControlRequest is the maximum size of a request in bytes.
	maxControlRequest = 4096
	// maxControlAnswer is the size, in bytes, of the largest answer that a command reads.
	// The command may run as root, and the agent does not.
	maxControlAnswer = 1 << 20
	// operators is the group whose members may use the control socket.
	operators = "latchd-operators"
	// mockMethod operates the simulated door of a lock with the driver mock. Its payload
	// is the name of an action.
	mockMethod = "mock"
	// exitPress is how long 'latchd mock exit' presses the button.
	exitPress = 200 * time.Millisecond
)

// motionMethods are the direct methods that the control socket offers besides getStatus.
var motionMethods = map[string]bool{"lockDoor": true, "unlockDoor": true}

// controlRequest is a request on the control socket.
type controlRequest struct {
	MethodName string          `json:"methodName"`
	Payload    json.RawMessage `json:"payload,omitempty"`
	// OverrideLockdown lets root unlock the door during lockdown.
	OverrideLockdown bool `json:"overrideLockdown,omitempty"`
}

// controlPath returns the path at which an agent with the given state directory listens.
// It is empty if there is no directory for the socket.
func controlPath(stateDir string) string {
	switch runtimeDir := os.Getenv("RUNTIME_DIRECTORY"); {
	case runtimeDir != "":
		return runtimeSocket(runtimeDir)
	case stateDir != "":
		return stateSocket(stateDir)
	}
	return ""
}

func runtimeSocket(dir string) string { return filepath.Join(dir, "control.sock") }
func stateSocket(dir string) string   { return filepath.Join(dir, "latchd.sock") }

// listenControl opens the control socket. It removes an existing socket, which a
// killed process left behind: the state directory is locked, so no other agent is
// using it.
func listenControl(path string) (*net.UnixListener, error) {
	if path == "" {
		return nil, errors.New("there is neither a runtime directory nor a state directory")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		listener.Close()
		return nil, fmt.Errorf("set the mode of the control socket: %w", err)
	}
	return listener, nil
}

// operatorsGroup returns the id of the group latchd-operators. It returns false if there
// is no such group. Then only root and the agent's user may use the control socket.
func operatorsGroup() (id int, exists bool, err error) {
	group, err := user.LookupGroup(operators)
	if _, unknown := errors.AsType[user.UnknownGroupError](err); unknown {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}

	id, err = strconv.Atoi(group.Gid)
	return id, err == nil, err
}

// admit lets the members of a group use the control socket in the directory dir. The
// process must run as the agent's user and be a member of the group: root would give
// away whatever file that user has put in the socket's place.
func admit(group int, dir string) error {
	if err := os.Lchown(runtimeSocket(dir), -1, group); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// controlServer answers requests on the control socket.
type controlServer struct {
	agent    *agent.Agent
	hub      *hubLink
	problems *problems
	mock     *mock.Driver // nil unless the lock has the driver mock
	log      *zap.Logger
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
	var r controlRequest
	if err := json.NewDecoder(io.LimitReader(conn, maxControlRequest)).Decode(&r); err != nil {
		return
	}

	status, payload := c.answer(ctx, conn, r)

	conn.SetDeadline(time.Now().Add(controlTimeout))
	json.NewEncoder(conn).Encode(map[string]any{"status": status, "payload": payload}) // an error means that the client has gone
}

func (c *controlServer) answer(ctx context.Context, conn *net.UnixConn, r controlRequest) (status int, payload any) {
	switch {
	case r.MethodName == "getStatus":
		return http.StatusOK, c.status()
	case r.MethodName == mockMethod:
		return c.operateMock(ctx, r.Payload)
	case !motionMethods[r.MethodName]:
		return refuse(http.StatusNotFound, "unknown-method", fmt.Sprintf("the method %.100q is not available on the control socket", r.MethodName))
	}

	peer, err := peerOf(conn)
	if err != nil {
		return refuse(http.StatusForbidden, "not-allowed", "cannot tell who asks: "+err.Error())
	}
	if r.OverrideLockdown && peer != 0 {
		return refuse(http.StatusForbidden, "not-allowed", "only root may override lockdown")
	}

	name := userName(peer)
	c.log.Info("running a method from the control socket", zap.String("method", r.MethodName), zap.String("by", name))
	m := iothub.Method{Name: r.MethodName, Payload: signPayload(r.Payload, name)}
	if r.OverrideLockdown {
		return c.agent.InvokeOverridingLockdown(ctx, m)
	}
	return c.agent.Invoke(ctx, m)
}

// status returns the agent's status, with what only this program knows.
func (c *controlServer) status() iothub.Object {
	status := c.agent.Status()
	status["connected"], status["deviceId"] = c.hub.connected.Load(), c.hub.device.get()
	if failure := c.hub.why(); failure != "" {
		status["hubFailure"] = failure
	}
	if problems := c.problems.all(); len(problems) > 0 {
		status["problems"] = problems
	}
	return status
}

// operateMock does what a person at a simulated door does.
func (c *controlServer) operateMock(ctx context.Context, payload json.RawMessage) (status int, answer any) {
	if c.mock == nil {
		return refuse(http.StatusForbidden, "not-allowed", `this lock is real; only a lock with driver = "mock" has a simulated door`)
	}

	var action string
	if err := json.Unmarshal(payload, &action); err != nil {
		return refuse(http.StatusBadRequest, "bad-payload", "want the name of an action")
	}
	operate, known := mockActions[action]
	if !known {
		return refuse(http.StatusBadRequest, "bad-payload", fmt.Sprintf("unknown action %.100q; want open, close, exit or pry", action))
	}

	if err := operate(ctx, c.mock); err != nil {
		return refuse(http.StatusConflict, "not-possible", err.Error())
	}
	return http.StatusOK, nil
}

// mockActions are the actions of 'latchd mock'.
var mockActions = map[string]func(context.Context, *mock.Driver) error{
	"open":  func(_ context.Context, d *mock.Driver) error { return d.OpenDoor() },
	"close": func(_ context.Context, d *mock.Driver) error { return d.CloseDoor() },
	"pry":   func(_ context.Context, d *mock.Driver) error { return d.PryDoor() },
	"exit": func(ctx context.Context, d *mock.Driver) error {
		if err := d.PressExit(); err != nil {
			return err
		}
		sleep(ctx, exitPress)
		return d.ReleaseExit()
	},
}

// refuse returns a refusal in the format of a direct method's answer.
func refuse(status int, code, message string) (int, any) {
	return status, map[string]any{"error": map[string]string{"code": code, "message": message}}
}

// signPayload puts the name of the user who asks into a method's payload. It replaces a
// name that the client gave, and leaves a payload that is no object to the agent.
func signPayload(payload json.RawMessage, name string) []byte {
	members := map[string]json.RawMessage{}
	if len(payload) > 0 && json.Unmarshal(payload, &members) != nil {
		return payload
	}
	if members == nil { // the payload is null
		members = map[string]json.RawMessage{}
	}

	text, err := json.Marshal(name)
	if err != nil {
		return payload
	}
	members["by"] = text
	signed, err := json.Marshal(members)
	if err != nil {
		return payload
	}
	return signed
}

// peerOf returns the user id of the process at the other end of a connection.
func peerOf(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}

	var peer *syscall.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		peer, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(controlErr, err); err != nil {
		return 0, err
	}
	return peer.Uid, nil
}

// userName returns the name of a local user.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if account, err := user.LookupId(id); err == nil {
		return account.Username
	}
	return "user " + id
}
