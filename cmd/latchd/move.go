package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// moveOptions are the flags of 'latchd lock' and 'latchd unlock'.
type moveOptions struct {
	unlock           bool
	forTime          time.Duration // how long to unlock; 0 means until the configured relock or the next lock
	reason           string
	overrideLockdown bool
}

// move locks or unlocks the door through the running agent. It needs no network.
func move(file string, o moveOptions, stdout io.Writer) error {
	payload := map[string]any{}
	if o.reason != "" {
		payload["reason"] = o.reason
	}
	r := controlRequest{MethodName: "lockDoor", OverrideLockdown: o.overrideLockdown}
	if o.unlock {
		r.MethodName = "unlockDoor"
		if o.forTime > 0 {
			payload["forSeconds"] = int64(o.forTime / time.Second)
		}
	} else {
		payload["whenClosed"] = true
	}

	text, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	r.Payload = text
	m, err := askMotion(file, r)
	if err != nil {
		return err
	}

	_, err = fmt.Fprintln(stdout, m.describe())
	return err
}

// describe says what the lock did.
func (m motion) describe() string {
	switch {
	case m.Pending == "door":
		return m.Position + "; the door is open and locks when it is closed"
	case m.Pending != "":
		return m.Position + "; somebody is leaving, and the door locks behind them"
	case m.Held:
		return m.Position + "; nothing changed, because the door is held unlocked until the next lock"
	case m.Confirmed:
		return m.Position + ", confirmed by the sensor"
	}
	return m.Position + ", not confirmed by a sensor"
}

// operateMock operates the simulated door of the running agent.
func operateMock(file, action string) error {
	payload, err := json.Marshal(action)
	if err != nil {
		return err
	}
	answer, err := ask(file, controlRequest{MethodName: mockMethod, Payload: payload})
	if err != nil {
		return err
	}
	if err := refusalOf(answer); err != nil {
		return fmt.Errorf("mock %s: %w", action, err)
	}
	return nil
}
