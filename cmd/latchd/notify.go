package main

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/systemd"
)

// notifier tells systemd that the agent is ready, that the lock's goroutine is alive,
// and the status of bolt and connection.
type notifier struct {
	manager  systemd.Manager
	interval time.Duration // the watchdog's interval; 0 means that there is no watchdog
	driver   string
	hub      *hubLink
	problems *problems
	log      *zap.Logger
}

// barrierTimeout bounds how long systemd may take to process the lines stored with it.
const barrierTimeout = 5 * time.Second

// watch notifies systemd until ctx ends. The agent is ready as soon as the lock's
// goroutine has answered, because systemd must not restart a gateway that only lacks a
// network. Without systemd, watch returns at once.
func (n *notifier) watch(ctx context.Context, lock *actuator.Lock) {
	if n.manager.Socket == "" {
		return
	}

	ready := []string{systemd.Ready} // until systemd has been told
	shown := ""                      // the status that systemd shows
	systemd.Feed(ctx, n.interval, lock.Alive(), func() {
		if len(ready) > 0 {
			n.awaitStored(ctx)
		}

		lines, status := ready, n.status(lock.Status())
		if n.interval > 0 {
			lines = append(lines, systemd.Watchdog)
		}
		if status != shown {
			lines = append(lines, systemd.Status(status))
		}
		if len(lines) > 0 && n.tell(lines...) {
			ready, shown = nil, status
		}
	})
}

// awaitStored waits until systemd has stored the lock's line. A process that ended
// earlier would take the line with it.
func (n *notifier) awaitStored(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, barrierTimeout)
	defer stop()
	if _, err := n.manager.Barrier(ctx); err != nil {
		n.log.Warn("systemd may not have stored the lock's line", zap.Error(err))
	}
}

// stopping tells systemd that the agent is shutting down.
func (n *notifier) stopping() { n.tell(systemd.Stopping) }

// tell sends lines to systemd. It reports whether that succeeded or there is no systemd.
func (n *notifier) tell(lines ...string) bool {
	_, err := n.manager.Notify(lines...)
	if err != nil {
		n.log.Warn("cannot notify systemd of the agent's status", zap.Error(err))
	}
	return err == nil
}

// status returns the line that 'systemctl status' shows.
func (n *notifier) status(lock actuator.Status) string {
	link := "not connected to"
	if n.hub.connected.Load() {
		link = "connected to"
	}
	text := fmt.Sprintf("%s (%s, driver %s), %s %s", lock.Position, lock.Source, n.driver, link, n.hub.name())
	if lock.Fault != "" {
		text += ": " + lock.Fault
	}
	if failure := n.hub.why(); failure != "" {
		text += "; " + failure
	}
	for _, problem := range n.problems.all() {
		text += "; " + problem
	}
	return text
}
