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
	// defaultRebootDelay leaves time to send the answer and the last report.
	defaultRebootDelay = 5 * time.Second
	maxRebootDelay     = time.Hour
)

// The causes of a reboot, as the agent reports them.
const (
	causeMethod  = "method"
	causeUnknown = "unknown" // a power cut, a crash, or a reboot by a person
)

// Reboot describes one restart of the machine.
type Reboot struct {
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

// recordBoot saves the id of the current boot. If the machine has rebooted since the
// previous process ran, recordBoot also saves the cause of that reboot. If saving
// fails, the next start does it.
func (a *Agent) recordBoot() {
	bootID := a.config.BootID
	a.state.Update(func(s *State) {
		if s.BootID != bootID && s.BootID != "" {
			last := Reboot{a.config.System.BootedAt, causeUnknown}
			if s.Reboot != nil {
				last = *s.Reboot
			}
			s.LastReboot = &last
		}
		s.BootID, s.Reboot = bootID, nil
	}, func(error) {})
}

// reboot answers the method reboot. Once its answer has been sent, the caller must
// call scheduleReboot.
func (a *Agent) reboot(m iothub.Method) (status int, payload any) {
	if a.config.Reboot == nil {
		return errorAnswer(http.StatusForbidden, "not-allowed", "this gateway does not allow reboots; to allow them, set allow_reboot = true in its configuration")
	}

	delay, err := rebootDelay(m)
	if err != nil {
		return errorAnswer(http.StatusBadRequest, "bad-payload", err.Error())
	}

	if !a.rebooting.CompareAndSwap(false, true) {
		return errorAnswer(http.StatusConflict, "busy", "a reboot is already scheduled")
	}
	return http.StatusAccepted, map[string]any{"delaySeconds": int64(delay / time.Second)}
}

// rebootDelay returns the delay that the method's payload asks for.
func rebootDelay(m iothub.Method) (time.Duration, error) {
	members, err := readPayload(m.Payload, "delaySeconds")
	if err != nil {
		return 0, err
	}
	value, given := members["delaySeconds"]
	if !given {
		return defaultRebootDelay, nil
	}

	seconds, err := parseInteger(value)
	if err != nil {
		return 0, fmt.Errorf("delaySeconds: %w", err)
	}
	if most := int64(maxRebootDelay / time.Second); seconds < 0 || seconds > most {
		return 0, fmt.Errorf("delaySeconds is %d; want 0 to %d", seconds, most)
	}
	return time.Duration(seconds) * time.Second, nil
}

// scheduleReboot restarts the machine after the delay that was answered, and saves
// the cause before. If the answer could not be sent (answerErr), there is no reboot.
func (a *Agent) scheduleReboot(m iothub.Method, answerErr error) {
	if answerErr != nil {
		a.rebooting.Store(false)
		return
	}

	delay, _ := rebootDelay(m) // reboot has already checked the payload
	a.config.Log.Warn("the machine will reboot", zap.Duration("in", delay))
	time.AfterFunc(delay, a.rebootNow)
}

// rebootNow restarts the machine. If the restart fails, another one may be asked for.
func (a *Agent) rebootNow() {
	saved := make(chan error, 1)
	a.state.Update(func(s *State) { s.Reboot = &Reboot{a.config.Now(), causeMethod} }, func(err error) { saved <- err })
	saveErr := <-saved

	err := a.config.Reboot(context.Background())
	if err != nil { // the next reboot will have another cause
		a.state.Update(func(s *State) { s.Reboot = nil }, func(error) {})
	}

	if err = errors.Join(saveErr, err); err != nil {
		a.config.Log.Error("the requested reboot failed, or its cause was not saved", zap.Error(err))
	}
	a.rebooting.Store(false)
}
