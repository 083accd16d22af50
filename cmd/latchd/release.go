package main

import (
	"fmt"

	"github.com/latchd/latchd/actuator/gpio"
	"github.com/latchd/latchd/agent/config"
)

// release lets go the lines of a lock that moves by pulses, whatever the process
// that held them has left. systemd runs it after every kind of end.
func release(file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	if c.Lock.Driver != "gpio" {
		return nil
	}
	if err := gpio.Release(c.Lock.Lines()); err != nil {
		return fmt.Errorf("let the lock's lines go: %w", err)
	}
	return nil
}
