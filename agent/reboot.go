package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// defaultRebootDelay leaves time for the answer and the last report to go out.
	defaultRebootDelay = 5 * time.Second
	maxRebootDelay     = time.Hour
)

// The causes of a reboot, as reported.
const (
	causeMethod  = "method"
	causeUnknown = "unknown" // a power cut, a crash, or somebody at the machine
)

// Reboot is one restart of the machine.
type Reboot struct {
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

// noteBoot takes down in which boot the agent runs, and how the boot before ended.
func (a *Agent) noteBoot() {
	now := a.config.BootID
	a.state.Update(func(s *State) {
		if s.BootID != now && s.BootID != "" {
			last := Reboot{a.config.System.BootedAt, causeUnknown}
			if s.Reboot != nil {
				last = *s.Reboot
			}
			s.LastReboot = &last
		}
		s.BootID, s.Reboot = now, nil
	}, func(error) {}) // noted at the next start then
}

// reboot answers the method; whoever has written the answer calls beginReboot.
func (a *Agent) reboot(m iothub.Method) (status int, payload any) {
	if a.config.Reboot == nil {
		return failure(http.StatusForbidden, "not-allowed", "rebooting is not allowed here; the configuration has to say allow_reboot = true")
	}
	delay, err := rebootDelay(m)
	if err != nil {
		return failure(http.StatusBadRequest, "bad-payload", err.Error())
	}
	if !a.rebooting.CompareAndSwap(false, true) {
		return failure(http.StatusConflict, "busy", "the machine is about to reboot already")
	}
	return http.StatusAccepted, map[string]any{"delaySeconds": int64(delay / time.Second)}
}

func rebootDelay(m iothub.Method) (time.Duration, error) {
	members, err := readPayload(m.Payload, "delaySeconds")
	if err != nil {
		return 0, err
	}
	value, given := members["delaySeconds"]
	if !given {
		return defaultRebootDelay, nil
	}
	seconds, err := integer(value)
	if err != nil {
		return 0, fmt.Errorf("the payload's delaySeconds: %w", err)
	}
	if most := int64(maxRebootDelay / time.Second); seconds < 0 || seconds > most {
		return 0, fmt.Errorf("delaySeconds is %d; it can be 0 to %d", seconds, most)
	}
	return time.Duration(seconds) * time.Second, nil
}

// beginReboot has the machine restart after the delay that was answered, once the
// reason is on disk. If the answer was not written it takes the method back.
func (a *Agent) beginReboot(m iothub.Method, written error) {
	if written != nil {
		a.rebooting.Store(false)
		return
	}
	delay, _ := rebootDelay(m) // it was read before
	log := a.config.Log
	log.Warn("the machine will reboot", zap.Duration("in", delay))
	time.AfterFunc(delay, func() {
		onDisk := make(chan error, 1)
		a.state.Update(func(s *State) { s.Reboot = &Reboot{a.config.Now(), causeMethod} }, func(err error) { onDisk <- err })
		notKept := <-onDisk
		err := a.config.Reboot(context.Background())
		if err != nil { // a reboot to come has another cause
			a.state.Update(func(s *State) { s.Reboot = nil }, func(error) {})
		}
		if err = errors.Join(notKept, err); err != nil {
			log.Error("the reboot that was asked for", zap.Error(err))
		}
		a.rebooting.Store(false) // if it has not come by now it may be asked for again
	})
}
