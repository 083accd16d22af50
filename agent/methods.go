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

// methodNames are the methods that run implements.
var methodNames = []string{"lockDoor", "unlockDoor", "getStatus", "reboot", "ping"}

// maxConcurrentMethods bounds the methods that run at the same time. The lock
// carries out one command at a time; other commands join it, wait or are refused.
const maxConcurrentMethods = 32

// answerMethods runs the link's methods. It returns when no more methods come and
// all are answered.
func (a *Agent) answerMethods(ctx context.Context, link Link) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, maxConcurrentMethods)

	for {
		// Take a slot before the method: a method that has left the link must run,
		// and the link discards those that still wait when it is lost.
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

// Invoke runs a method for a caller on the gateway itself, in the same way as a
// method from the hub. A started method runs to its end, even if ctx ends earlier.
func (a *Agent) Invoke(ctx context.Context, m iothub.Method) (status int, payload any) {
	defer a.notify()
	return a.run(context.WithoutCancel(ctx), m)
}

// answerMethod runs a method from the hub and sends its answer. It sends the answer
// even after ctx has ended, because the link may still be up.
func (a *Agent) answerMethod(ctx context.Context, link Link, m iothub.Method) {
	log := a.config.Log.With(zap.String("method", m.Name), zap.String("request_id", m.RequestID))
	a.methods.Add(1)

	status, payload := a.Invoke(ctx, m)
	body, err := json.Marshal(payload)
	if err != nil {
		log.Error("cannot encode the method's answer as JSON", zap.Error(err))
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
		log.Warn("the method ran, but its answer did not reach the hub", zap.Int("status", status), zap.Error(err))
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
		if c, err = a.parseCommand(m); err == nil {
			return a.command(ctx, c)
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
			"unknown method %q; the methods are %s", m.Name, strings.Join(methodNames, ", ")))
	}
	return errorAnswer(http.StatusBadRequest, "bad-payload", err.Error())
}

// parseCommand returns the command that a method lockDoor or unlockDoor gives the
// lock.
func (a *Agent) parseCommand(m iothub.Method) (actuator.Command, error) {
	c := actuator.Command{Name: m.Name, Target: actuator.Locked}
	allowed := []string{"reason"}
	if m.Name == "unlockDoor" {
		c.Target = actuator.Unlocked
		allowed = append(allowed, "forSeconds")
	}

	members, err := readPayload(m.Payload, allowed...)
	if err == nil {
		c.Reason, err = parseReason(members)
	}
	if err == nil && c.Target == actuator.Unlocked {
		c.For, err = a.relockDelay(members)
	}
	return c, err
}

// command moves the lock. Its answer says what happened, not what was asked.
func (a *Agent) command(ctx context.Context, c actuator.Command) (status int, payload any) {
	result, err := a.lock.Do(ctx, c)
	if refusal, ok := errors.AsType[*actuator.Refusal](err); ok {
		return errorAnswer(statusOf(refusal.Code, ""), string(refusal.Code), refusal.Message)
	}
	if err != nil {
		return errorAnswer(http.StatusServiceUnavailable, string(actuator.CodeUnavailable), err.Error())
	}

	return http.StatusOK, struct {
		Position  actuator.Position `json:"position"`
		Confirmed bool              `json:"confirmed"`
		Changed   bool              `json:"changed"`
		TookMs    int64             `json:"tookMs"`
	}{result.Position, result.Confirmed, result.Changed, result.Took.Milliseconds()}
}

// statusOf returns the status of a method's answer for the lock's refusal code. The
// empty code means that the command was carried out or, with pending, that the lock
// will carry it out later.
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

// methodError is the body of every answer whose status is not 2xx.
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
