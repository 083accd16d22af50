//go:build latchd_debug

package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/latchd/latchd/actuator"
)

// debugDriver wraps a driver so that SIGUSR1 blocks the lock's goroutine forever, as a
// bug could. Only the watchdog can end a process in that state. Tests build latchd
// with this file; no release contains it.
func debugDriver(d actuator.Driver) actuator.Driver {
	blocked := make(chan struct{})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		<-signals
		close(blocked)
	}()
	return blockable{d, blocked}
}

type blockable struct {
	actuator.Driver
	blocked <-chan struct{}
}

// Bolt blocks forever once SIGUSR1 has come. The lock calls it each time it waits for
// an event.
func (b blockable) Bolt() <-chan actuator.Reading {
	select {
	case <-b.blocked:
		select {}
	default:
		return b.Driver.Bolt()
	}
}
