package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// sendEvents sends the queued and all later events to the hub, oldest first, until ctx
// ends. It repeats each event until the hub has acknowledged it.
func (a *Agent) sendEvents(ctx context.Context, link Link) {
	if a.config.Events == nil {
		return
	}

	failures := 0
	for {
		added, retry := a.config.Events.Added(), (<-chan time.Time)(nil)
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

// sendQueued sends queued events until the queue is empty or sending fails.
func (a *Agent) sendQueued(ctx context.Context, link Link) error {
	for {
		event, ok := a.config.Events.Next()
		if !ok {
			return nil
		}

		message, err := eventMessage(event, a.config.Events.Store())
		if err == nil {
			err = link.Send(ctx, message)
		}
		if err != nil {
			return err
		}

		a.config.Events.Sent(event)
	}
}

// eventMessage turns an event into a device-to-cloud message. The message id consists
// of the store's name and the event's sequence number. If the agent sends an event
// twice, the receiver can recognise the duplicate by its id.
func eventMessage(e events.Event, store string) (iothub.Message, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return iothub.Message{}, fmt.Errorf("encode the event: %w", err)
	}

	return iothub.Message{
		ID:              fmt.Sprintf("%s-%d", store, e.Seq),
		ContentType:     "application/json",
		ContentEncoding: "utf-8",
		Properties:      iothub.Bag{{Name: "event", Value: e.Kind}},
		Body:            body,
	}, nil
}
