package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/latchd/latchd/agent/config"
)

// selftest moves the lock to its other position and back with methods of the running
// agent, and prints the result of each motion. It stops at the first failure and leaves
// the lock where it is then.
func selftest(ctx context.Context, file string, yes bool, stdin io.Reader, stdout io.Writer) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	status, err := askStatus(file)
	if err != nil {
		return err
	}

	if textAt(status, "door", "open") == "true" {
		return errors.New("the door is open; close it first, because latchd does not lock an open door")
	}

	position := textAt(status, "lock", "position")
	methods := selftestMethods(position)
	fmt.Fprintf(stdout, "The lock of %s is %s (%s). The test will move it twice: %s.\n", textAt(status, "deviceId"),
		position, textAt(status, "lock", "source"), strings.Join(methods, ", "))
	if !yes {
		if err := confirm(stdin, stdout); err != nil {
			return err
		}
	}

	for i, method := range methods {
		if i > 0 { // within the minimum interval an unlock would be refused
			select {
			case <-time.After(time.Duration(c.Lock.MinInterval)):
			case <-ctx.Done():
				return fmt.Errorf("%s was not tested: %w", method, ctx.Err())
			}
		}
		if err := testMethod(file, method, stdout); err != nil {
			return err
		}
	}
	return nil
}

// confirm asks the user to agree to the motion.
func confirm(stdin io.Reader, stdout io.Writer) error {
	fmt.Fprint(stdout, "Type yes to move it: ")
	answer, err := bufio.NewReader(stdin).ReadString('\n')
	if strings.TrimSpace(answer) == "yes" {
		return nil
	}

	if err != nil { // end of input: the prompt's line is not complete
		fmt.Fprintln(stdout)
	}
	return errors.New("the lock was not moved; type yes, or give --yes")
}

// selftestMethods returns the methods that move a lock to its other position and back.
// A lock with an unknown position ends up locked.
func selftestMethods(position string) []string {
	if position == "unlocked" {
		return []string{"lockDoor", "unlockDoor"}
	}
	return []string{"unlockDoor", "lockDoor"}
}

// testMethod invokes one method of the running agent and prints its result.
func testMethod(file, method string, stdout io.Writer) error {
	m, err := askMotion(file, controlRequest{MethodName: method, Payload: json.RawMessage(`{"reason":"selftest"}`)})
	if err != nil {
		return err
	}

	confirmation := "not confirmed by a sensor: look at the bolt"
	if m.Confirmed {
		confirmation = "confirmed by the sensor"
	}
	fmt.Fprintf(stdout, "%-10s  ok: %s after %d ms, %s\n", method, m.Position, m.TookMs, confirmation)
	return nil
}
