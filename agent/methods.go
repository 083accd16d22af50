package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// MaxUnlock is the longest time for which unlockDoor unlocks a door (forSeconds).
const MaxUnlock = 24 * time.Hour

// methodNames lists the direct methods of the agent.
var methodNames = []string{"lockDoor", "unlockDoor", "getStatus", "reboot", "ping"}

// maxConcurrentMethods is the maximum number of methods that run at the same time. The
// lock moves the bolt for one command at a time. Further commands share that motion,
// wait or are refused.
const maxConcurrentMethods = 32

// answerMethods runs the methods that the link delivers. It ends when ctx ends or the
// link delivers no more methods. It first waits until all started methods are answered.
func (a *Agent) answerMethods(ctx context.Context, link Link) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, maxConcurrentMethods)

	for {
		// Wait for a free slot before receiving a method. A method must run once it is
		// received, but the link discards waiting methods when the connection is lost.
		slots <- struct{}{}

		select {
		case m, ok := <-link.Methods():
			if !ok {
				return
			}
			running.Go(func() {
				a.answerMethod(ctx, link, m)
				<-slots
			})

		case <-ctx.Done():
			return
		}
	}
}

// caller identifies who calls a method: the hub, a local user or root.
type caller struct {
	origin           actuator.Origin
	overrideLockdown bool
}

// Invoke runs a method for a user on the gateway, in the same way as a method from the
// hub. A started method runs to completion, even if ctx ends earlier.
func (a *Agent) Invoke(ctx context.Context, m iothub.Method) (status int, payload any) {
	return a.invoke(ctx, m, caller{origin: actuator.Local})
}

// InvokeOverridingLockdown is like Invoke, but can unlock the door during lockdown. The
// caller must first check that the user is root.
func (a *Agent) InvokeOverridingLockdown(ctx context.Context, m iothub.Method) (status int, payload any) {
	return a.invoke(ctx, m, caller{origin: actuator.Local, overrideLockdown: true})
}

func (a *Agent) invoke(ctx context.Context, m iothub.Method, by caller) (status int, payload any) {
	defer a.notify()
	return a.run(context.WithoutCancel(ctx), m, by)
}

// answerMethod runs a method from the hub and sends its answer. It sends the answer
// even if ctx has ended, because the connection may still be up.
func (a *Agent) answerMethod(ctx context.Context, link Link, m iothub.Method) {
	m.Name = methodName(m.Name)
	method, requestID := zap.String("method", m.Name), zap.String("request_id", m.RequestID)
	a.methods.Add(1)

	status, payload := a.invoke(ctx, m, caller{origin: actuator.Remote})
	body, err := json.Marshal(payload)
	if err != nil {
		a.remote.Error("cannot encode the method's answer as JSON", method, requestID, zap.Error(err))
		return
	}
	if status >= 400 {
		a.refused.Add(1)
	}

	err = link.Respond(context.WithoutCancel(ctx), m.RequestID, iothub.MethodResponse{Status: status, Payload: body})
	if m.Name == "reboot" && status == http.StatusAccepted {
		a.scheduleReboot(m, err)
	}
	if err != nil {
		a.remote.Warn("the method ran, but its answer did not reach the hub", method, requestID, zap.Int("status", status), zap.Error(err))
		return
	}
	a.remote.Info("method answered", method, requestID, zap.Int("status", status), zap.ByteString("answer", body))
}

// methodName corrects upper and lower case in the name of a method, for example
// "lockdoor" to "lockDoor". It returns an unknown name unchanged.
func methodName(name string) string {
	for _, known := range methodNames {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	return name
}

// run runs one method and returns its answer.
func (a *Agent) run(ctx context.Context, m iothub.Method, by caller) (status int, payload any) {
	var err error
	switch m.Name = methodName(m.Name); m.Name {
	case "lockDoor":
		c, ignored := parseLock(m.Payload)
		c.Origin = by.origin
		return a.command(ctx, c, ignored)

	case "unlockDoor":
		var c actuator.Command
		if c, err = a.parseUnlock(m.Payload); err == nil {
			c.Origin, c.OverrideLockdown = by.origin, by.overrideLockdown
			return a.command(ctx, c, nil)
		}

	case "getStatus":
		if _, err = readPayload(m.Payload); err == nil {
			return http.StatusOK, a.Status()
		}

	case "reboot":
		return a.reboot(m)

	case "ping":
		if len(m.Payload) == 0 {
			return http.StatusOK, nil
		}
		if utf8.Valid(m.Payload) && json.Valid(m.Payload) {
			return http.StatusOK, json.RawMessage(m.Payload)
		}
		err = errors.New("the payload is not JSON")

	default:
		return errorAnswer(http.StatusNotFound, "unknown-method", fmt.Sprintf(
			"unknown method %.100q; the methods are %s", m.Name, strings.Join(methodNames, ", ")))
	}
	return errorAnswer(http.StatusBadRequest, "bad-payload", err.Error())
}

// motionAnswer is the answer to a command that the lock has carried out.
type motionAnswer struct {
	Position  actuator.Position `json:"position"`
	Confirmed bool              `json:"confirmed"`
	Changed   bool              `json:"changed"`
	TookMs    int64             `json:"tookMs"`
	Held      bool              `json:"held,omitempty"`    // the unlock's time limit was ignored, because the door is kept unlocked without a limit
	Ignored   []string          `json:"ignored,omitempty"` // names of the members of the payload that lockDoor could not use
}

// pendingAnswer is the answer to a lock command that the lock will carry out later, for
// example when the door closes.
type pendingAnswer struct {
	Position actuator.Position `json:"position"`
	Pending  actuator.Pending  `json:"pending"` // what the lock waits for
	Ignored  []string          `json:"ignored,omitempty"`
}

// codeShuttingDown is the error code for a command that arrives while the agent shuts
// down.
const codeShuttingDown = "shutting-down"

// command passes a command to the lock. Its answer says what the lock did, not what was
// requested.
func (a *Agent) command(ctx context.Context, c actuator.Command, ignored []string) (status int, payload any) {
	result, err := a.lock.Do(ctx, c)
	status, payload = commandAnswer(result, err, ignored)

	log := a.remote
	refusal, _ := errors.AsType[*actuator.Refusal](err)
	if result.Changed || result.Pending != "" || refusal != nil && refusal.Code == actuator.CodeJammed {
		log = a.config.Log // a flood must not displace the record of a motion
	}
	log.Info("the lock has ended a command", zap.String("method", c.Name), zap.String("by", c.By),
		zap.String("reason", logtext.Cut(c.Reason)), zap.String("origin", string(c.Origin)), zap.Int("status", status))
	return status, payload
}

func commandAnswer(result actuator.Result, err error, ignored []string) (status int, payload any) {
	refusal, refused := errors.AsType[*actuator.Refusal](err)
	switch {
	case refused:
		return errorAnswer(statusOf(refusal.Code, ""), string(refusal.Code), refusal.Message)
	case errors.Is(err, actuator.ErrEnded):
		return errorAnswer(http.StatusServiceUnavailable, codeShuttingDown, err.Error())
	case err != nil:
		return errorAnswer(http.StatusServiceUnavailable, string(actuator.CodeUnavailable), err.Error())
	case result.Pending != "":
		return statusOf("", result.Pending), pendingAnswer{result.Position, result.Pending, ignored}
	}

	return http.StatusOK, motionAnswer{
		Position: result.Position, Confirmed: result.Confirmed, Changed: result.Changed,
		TookMs: result.Took.Milliseconds(), Held: result.Held, Ignored: ignored,
	}
}

// statusOf returns the HTTP-style status for the answer to a command. code is the
// reason for a refusal. It is empty if the lock has carried out the command or, with
// pending, will carry it out later.
func statusOf(code actuator.Code, pending actuator.Pending) int {
	switch code {
	case "":
		if pending != "" {
			return http.StatusAccepted
		}
		return http.StatusOK
	case actuator.CodeLockdown:
		return http.StatusForbidden
	case actuator.CodeBusy, actuator.CodeDoorOpen:
		return http.StatusConflict
	case actuator.CodeTooSoon:
		return http.StatusTooManyRequests
	case actuator.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// methodError is the body of an answer that reports an error.
type methodError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func errorAnswer(status int, code, message string) (int, any) {
	var e methodError
	e.Error.Code, e.Error.Message = code, message
	return status, e
}
