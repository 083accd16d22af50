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
)

// MaxUnlock is the longest time that unlockDoor's forSeconds may ask for.
const MaxUnlock = 24 * time.Hour

// methodNames are the methods that run knows.
var methodNames = []string{"lockDoor", "unlockDoor", "getStatus", "reboot", "ping"}

// maxAtOnce bounds the methods that run at the same time. A lock has one
// command in motion; the others join it, wait or are refused.
const maxAtOnce = 32

// answerMethods runs the methods that come by link and returns when no more
// come and all are answered.
func (a *Agent) answerMethods(ctx context.Context, link Link) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, maxAtOnce)
	for {
		slots <- struct{}{} // a method that is taken is begun: one that waits may be discarded
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

// Invoke carries out a method that was asked for on the machine itself, as one from
// the hub. What has begun ends, even if ctx ends before.
func (a *Agent) Invoke(ctx context.Context, m iothub.Method) (status int, payload any) {
	defer a.notify()
	return a.run(context.WithoutCancel(ctx), m)
}

func (a *Agent) answerMethod(ctx context.Context, link Link, m iothub.Method) {
	log := a.config.Log.With(zap.String("method", m.Name), zap.String("requestId", m.RequestID))
	a.methods.Add(1)
	// The answer of what has ended is written if the link still lives.
	status, payload := a.Invoke(ctx, m)
	body, err := json.Marshal(payload)
	if err != nil {
		log.Error("the method's answer cannot be written as JSON", zap.Error(err))
		return
	}
	if status >= 400 {
		a.refused.Add(1)
	}
	err = link.Respond(context.WithoutCancel(ctx), m.RequestID, iothub.MethodResponse{Status: status, Payload: body})
	if m.Name == "reboot" && status == http.StatusAccepted {
		a.beginReboot(m, err)
	}
	if err != nil {
		log.Warn("the method ran, its answer did not reach the hub", zap.Int("status", status), zap.Error(err))
		return
	}
	log.Info("method answered", zap.Int("status", status), zap.ByteString("answer", body))
}

// run carries out one method and returns its answer.
func (a *Agent) run(ctx context.Context, m iothub.Method) (status int, payload any) {
	var err error
	switch m.Name {
	case "lockDoor", "unlockDoor":
		var c actuator.Command
		if c, err = a.commandOf(m); err == nil {
			return a.command(ctx, c)
		}
	case "getStatus":
		if _, err = readPayload(m.Payload); err == nil {
			return http.StatusOK, a.status()
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
		return failure(http.StatusNotFound, "unknown-method", fmt.Sprintf(
			"there is no method %q; there are %s", m.Name, strings.Join(methodNames, ", ")))
	}
	return failure(http.StatusBadRequest, "bad-payload", err.Error())
}

// commandOf reads what lockDoor and unlockDoor ask of the lock.
func (a *Agent) commandOf(m iothub.Method) (actuator.Command, error) {
	c := actuator.Command{Name: m.Name, Target: actuator.Locked}
	names := []string{"reason"}
	if m.Name == "unlockDoor" {
		c.Target = actuator.Unlocked
		names = append(names, "forSeconds")
	}
	members, err := readPayload(m.Payload, names...)
	if err == nil {
		c.Reason, err = reasonOf(members)
	}
	if err == nil && c.Target == actuator.Unlocked {
		c.Relock, err = a.relockAfter(members)
	}
	return c, err
}

// command moves the lock. The answer is what happened, not what was asked.
func (a *Agent) command(ctx context.Context, c actuator.Command) (status int, payload any) {
	result, err := a.lock.Do(ctx, c)
	if refusal, ok := errors.AsType[*actuator.Refusal](err); ok {
		return failure(statusOf(refusal.Code), string(refusal.Code), refusal.Message)
	}
	if err != nil {
		return failure(http.StatusServiceUnavailable, string(actuator.Unavailable), err.Error())
	}
	return http.StatusOK, struct {
		Position  actuator.Position `json:"position"`
		Confirmed bool              `json:"confirmed"`
		Changed   bool              `json:"changed"`
		TookMs    int64             `json:"tookMs"`
	}{result.Position, result.Confirmed, result.Changed, result.Took.Milliseconds()}
}

// statusOf returns the status that a method answers with when the lock refuses.
func statusOf(code actuator.Code) int {
	switch code {
	case "":
		return http.StatusOK
	case actuator.Busy, actuator.DoorIsOpen:
		return http.StatusConflict
	case actuator.TooSoon:
		return http.StatusTooManyRequests
	case actuator.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// methodError is the body of every answer that is not 2xx.
type methodError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func failure(status int, code, message string) (int, any) {
	var e methodError
	e.Error.Code, e.Error.Message = code, message
	return status, e
}
