package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// MaxUnlock is the longest time that unlockDoor's forSeconds may ask for.
const MaxUnlock = 24 * time.Hour

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
		select {
		case m, ok := <-link.Methods():
			if !ok {
				return
			}
			slots <- struct{}{}
			running.Go(func() {
				a.answerMethod(ctx, link, m)
				<-slots
			})
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) answerMethod(ctx context.Context, link Link, m iothub.Method) {
	log := a.config.Log.With(zap.String("method", m.Name), zap.String("requestId", m.RequestID))
	a.methods.Add(1)
	// What has begun ends, and its answer is written if the link still lives.
	status, payload := a.run(context.WithoutCancel(ctx), m)
	a.notify()
	body, err := json.Marshal(payload)
	if err != nil {
		log.Error("the method's answer cannot be written as JSON", zap.Error(err))
		return
	}
	if status >= 400 {
		a.refused.Add(1)
	}
	err = link.Respond(context.WithoutCancel(ctx), m.RequestID, iothub.MethodResponse{Status: status, Payload: body})
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
	case "lockDoor":
		var in struct {
			Reason string `json:"reason"`
		}
		if err = readPayload(m.Payload, &in); err == nil {
			return a.command(ctx, actuator.Command{Name: m.Name, Reason: in.Reason, Target: actuator.Locked})
		}
	case "unlockDoor":
		var in struct {
			Reason     string `json:"reason"`
			ForSeconds *int64 `json:"forSeconds"`
		}
		if err = readPayload(m.Payload, &in); err == nil {
			var relock time.Duration
			if relock, err = a.relockAfter(in.ForSeconds); err == nil {
				return a.command(ctx, actuator.Command{
					Name: m.Name, Reason: in.Reason, Target: actuator.Unlocked, Relock: relock,
				})
			}
		}
	case "getStatus":
		if err = readPayload(m.Payload, &struct{}{}); err == nil {
			return http.StatusOK, a.status()
		}
	case "ping":
		if len(m.Payload) == 0 {
			return http.StatusOK, nil
		}
		if !json.Valid(m.Payload) {
			return failure(http.StatusBadRequest, "bad-payload", "the payload is not JSON")
		}
		return http.StatusOK, json.RawMessage(m.Payload)
	default:
		return failure(http.StatusNotFound, "unknown-method", fmt.Sprintf(
			"there is no method %q; there are lockDoor, unlockDoor, getStatus and ping", m.Name))
	}
	return failure(http.StatusBadRequest, "bad-payload", err.Error())
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

// relockAfter returns the time after which an unlock is to be followed by a
// lock: what the command asks for, or else the setting; 0 is never.
func (a *Agent) relockAfter(forSeconds *int64) (time.Duration, error) {
	if forSeconds == nil {
		return time.Duration(a.settings().AutoRelockSeconds) * time.Second, nil
	}
	if most := int64(MaxUnlock / time.Second); *forSeconds < 1 || *forSeconds > most {
		return 0, fmt.Errorf("forSeconds is %d; it can be 1 to %d", *forSeconds, most)
	}
	return time.Duration(*forSeconds) * time.Second, nil
}

// statusOf returns the status that a method answers with when the lock refuses.
func statusOf(code actuator.Code) int {
	switch code {
	case "":
		return http.StatusOK
	case actuator.Busy, actuator.DoorOpen:
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

// readPayload reads a method's payload into v: nothing and null leave it as it
// is, unknown members are refused.
func readPayload(payload []byte, v any) error {
	payload = bytes.TrimSpace(payload)
	if len(payload) == 0 || string(payload) == "null" {
		return nil
	}
	if payload[0] != '{' {
		return errors.New("the payload is not null and not an object")
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("the payload's %s is a %s; want %s", wrong.Field, wrong.Value, wrong.Type)
		}
		return fmt.Errorf("the payload cannot be read: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the payload has text after the object")
	}
	return nil
}
