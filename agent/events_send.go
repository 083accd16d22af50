package agent

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// sendEvents sends the queued events and all later ones, oldest first, until ctx
// ends. It sends each event until the hub has acknowledged it.
func (a *Agent) sendEvents(ctx context.Context, link Link) {
	if a.config.Events == nil {
		return
	}

	failures := 0
	for {
		added, retry := a.config.Events.added, (<-chan time.Time)(nil)
		if err := a.sendQueued(ctx, link); err == nil {
			failures = 0
		} else {
			if ctx.Err() == nil {
				a.config.Log.Warn("sending an event to the hub failed; it will be sent again", zap.Error(err))
			}
			added, retry = nil, time.After(a.retryDelay(failures))
			failures++
		}

		select {
		case <-added:
		case <-retry:
		case <-ctx.Done():
			return
		}
	}
}

// sendQueued sends events until the queue is empty or one cannot be sent.
func (a *Agent) sendQueued(ctx context.Context, link Link) error {
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
