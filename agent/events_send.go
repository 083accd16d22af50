package agent

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// sendEvents sends the events that wait, oldest first, each until the hub has
// acknowledged it, and those to come, until ctx ends.
func (a *Agent) sendEvents(ctx context.Context, link Link) {
	if a.config.Events == nil {
		return
	}
	failures := 0
	for {
		news, retry := a.config.Events.news, (<-chan time.Time)(nil)
		if err := a.sendWaiting(ctx, link); err == nil {
			failures = 0
		} else {
			if ctx.Err() == nil {
				a.config.Log.Warn("an event did not reach the hub; it is sent again", zap.Error(err))
			}
			news, retry = nil, time.After(a.eventsRetry(failures))
			failures++
		}
		select {
		case <-news:
		case <-retry:
		case <-ctx.Done():
			return
		}
	}
}

// sendWaiting sends until none waits.
func (a *Agent) sendWaiting(ctx context.Context, link Link) error {
	for {
		event, store, ok := a.config.Events.oldest()
		if !ok {
			return nil
		}
		message, err := event.message(store)
		if err == nil {
			err = link.Send(ctx, message)
		}
		if err != nil {
			return err
		}
		a.config.Events.sent(event)
	}
}

// eventsRetry returns how long to wait after so many failures before the last
// one. Half of it is chance, for the sake of the hub.
func (a *Agent) eventsRetry(failures int) time.Duration {
	wait := min(firstRetry<<min(failures, 10), longestRetry)
	return wait/2 + time.Duration(a.config.random()*float64(wait/2))
}
