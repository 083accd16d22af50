//go:build latchd_debug

package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/latchd/latchd/actuator"
)

// debugDriver makes a lock that SIGUSR1 blocks: its goroutine then stops for
// good wherever it is, as by a fault in the program, and only the watchdog can
// end that. For tests; it is not in any release.
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

// Bolt is called each time that the lock waits for something.
func (b blockable) Bolt() <-chan actuator.Reading {
	select {
	case <-b.blocked:
		select {}
	default:
		return b.Driver.Bolt()
	}
}
