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
	// defaultRebootDelay is the default delay before a reboot. It gives the agent time
	// to send its answer and its last report.
	defaultRebootDelay = 5 * time.Second
	maxRebootDelay     = time.Hour
)

// The causes of a reboot in the agent's reports.
const (
	causeMethod  = "method"
	causeUnknown = "unknown" // a power cut, a crash, or a reboot by a person
)

// Reboot describes one restart of the machine.
type Reboot struct {
	At    time.Time `json:"at"`
	Cause string    `json:"cause"`
}

// recordBoot saves the kernel's id of the current boot. If this id has changed since
// the agent last ran, recordBoot also saves the cause of the reboot. If saving fails,
// the next run of the agent tries again.
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

// reboot checks a call of the method reboot and returns its answer. After sending the
// answer, the caller must call scheduleReboot.
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

// rebootDelay returns the delay that the payload of the method reboot requests.
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

// scheduleReboot restarts the machine after the delay that the method m requests. If
// the answer to m could not be sent (answerErr), it cancels the reboot.
func (a *Agent) scheduleReboot(m iothub.Method, answerErr error) {
	if answerErr != nil {
		a.rebooting.Store(false)
		return
	}

	delay, _ := rebootDelay(m) // no error: reboot has already checked the payload
	a.config.Log.Warn("the machine will reboot", zap.Duration("in", delay))
	time.AfterFunc(delay, a.rebootNow)
}

// rebootNow saves the cause of the reboot and restarts the machine. If the restart
// fails, the agent accepts the method reboot again.
func (a *Agent) rebootNow() {
	saved := make(chan error, 1)
	a.state.Update(func(s *State) { s.Reboot = &Reboot{a.config.Now(), causeMethod} }, func(err error) { saved <- err })
	saveErr := <-saved

	err := a.config.Reboot(context.Background())
	if err != nil { // the saved cause would be wrong for the next reboot
		a.state.Update(func(s *State) { s.Reboot = nil }, func(error) {})
	}

	if err = errors.Join(saveErr, err); err != nil {
		a.config.Log.Error("the requested reboot failed, or its cause was not saved", zap.Error(err))
	}
	a.rebooting.Store(false)
}
