package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/systemd"
)

// service is what systemd is told of the agent: that it is ready, that the
// lock's goroutine lives, where the bolt stands and whether there is a link.
type service struct {
	manager  systemd.Manager
	interval time.Duration // the watchdog's; 0 is none
	driver   string
	hub      string
	log      *zap.Logger
	linked   atomic.Bool
}

const settleTimeout = 5 * time.Second

// watch tells systemd until ctx ends. The agent is ready as soon as the lock's
// goroutine has answered: a gateway without a network is not to be restarted.
// Without systemd nobody is told, and nothing wakes for it.
func (s *service) watch(ctx context.Context, lock *actuator.Lock) {
	if s.manager.Socket == "" {
		return
	}
	news, shown := []string{systemd.Ready}, "" // until it was told
	systemd.Feed(ctx, s.interval, lock.Alive(), func() {
		if len(news) > 0 {
			s.settle(ctx)
		}
		lines, status := news, s.status(lock.Status())
		if s.interval > 0 {
			lines = append(lines, systemd.Watchdog)
		}
		if status != shown {
			lines = append(lines, systemd.Status(status))
		}
		if len(lines) > 0 && s.tell(lines...) {
			news, shown = nil, status
		}
	})
}

// settle waits until systemd has what it was given to keep: a line that is only on
// its way would end with a process that ends now.
func (s *service) settle(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, settleTimeout)
	defer stop()
	if _, err := s.manager.Barrier(ctx); err != nil {
		s.log.Warn("systemd may not keep the lock's line", zap.Error(err))
	}
}

// stopping tells systemd that the agent begins to end.
func (s *service) stopping() { s.tell(systemd.Stopping) }

// tell reports whether systemd, if there is one, was told.
func (s *service) tell(lines ...string) bool {
	_, err := s.manager.Notify(lines...)
	if err != nil {
		s.log.Warn("systemd does not know how the agent is", zap.Error(err))
	}
	return err == nil
}

// status is the line that 'systemctl status' shows.
func (s *service) status(lock actuator.Status) string {
	link := "not connected to"
	if s.linked.Load() {
		link = "connected to"
	}
	text := fmt.Sprintf("%s (%s, driver %s), %s %s", lock.Position, lock.Source, s.driver, link, s.hub)
	if lock.Fault != "" {
		text += ": " + lock.Fault
	}
	return text
}
