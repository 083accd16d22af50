package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/transport/iothub"
)

// selftest moves the lock away and back, as methods of the hub would, and says how
// each motion went. It ends at the first that went wrong, where the lock then is.
func selftest(ctx context.Context, file string, yes bool, stdin io.Reader, stdout io.Writer) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	status, err := askStatus(c.StateDir)
	if err != nil {
		return err
	}
	if textAt(status, "door", "open") == "true" {
		return errors.New("the door is open; close it, so that the lock can come back to where it is")
	}
	position := textAt(status, "lock", "position")
	fmt.Fprintf(stdout, "The lock of %s is %s (%s). It will be moved twice: %s.\n", textAt(status, "deviceId"),
		position, textAt(status, "lock", "source"), strings.Join(selftestSteps(position), ", "))
	if !yes {
		fmt.Fprint(stdout, "Type yes to move it: ")
		if answer, err := bufio.NewReader(stdin).ReadString('\n'); strings.TrimSpace(answer) != "yes" {
			if err != nil {
				fmt.Fprintln(stdout)
			}
			return errors.New("nothing was moved; type yes, or give --yes")
		}
	}
	for i, method := range selftestSteps(position) {
		if i > 0 { // an unlock would be refused as too soon
			select {
			case <-time.After(time.Duration(c.Lock.MinInterval)):
			case <-ctx.Done():
				return fmt.Errorf("%s was not tried: %w", method, ctx.Err())
			}
		}
		if err := selftestStep(c.StateDir, method, stdout); err != nil {
			return err
		}
	}
	return nil
}

// selftestSteps ends where the lock is, and locked if that is not known.
func selftestSteps(position string) []string {
	if position == "unlocked" {
		return []string{"lockDoor", "unlockDoor"}
	}
	return []string{"unlockDoor", "lockDoor"}
}

func selftestStep(stateDir, method string, stdout io.Writer) error {
	answer, err := ask(stateDir, iothub.MethodRequest{MethodName: method, Payload: json.RawMessage(`{"reason":"selftest"}`)})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	var said struct {
		Position  string
		Confirmed bool
		TookMs    int64
		Message   string
		Error     struct{ Code, Message string }
	}
	if err := json.Unmarshal(answer.Payload, &said); err != nil {
		return fmt.Errorf("%s: the agent's answer: %w", method, err)
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("%s: %d %s: %s%s", method, answer.Status, said.Error.Code, said.Error.Message, said.Message)
	}
	saw := "no sensor has seen it: look at the bolt"
	if said.Confirmed {
		saw = "seen by the sensor"
	}
	fmt.Fprintf(stdout, "%-10s  ok: %s after %d ms, %s\n", method, said.Position, said.TookMs, saw)
	return nil
}
