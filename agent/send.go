package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// maxMessagePause is the maximum delay before the agent repeats a message that the hub
// did not acknowledge. A hub whose daily quota of messages is used up acknowledges no
// message for hours. IoT Hub then closes the link at each message.
const maxMessagePause = 5 * time.Minute

// sendEvents sends the queued and all later events to the hub, oldest first, until ctx
// ends. It repeats each event until the hub has acknowledged it, later and later.
func (a *Agent) sendEvents(ctx context.Context, link Link) {
	if a.config.Events == nil {
		return
	}

	for ctx.Err() == nil {
		if pause := a.messages.pause(); pause != nil {
			select {
			case <-pause:
			case <-ctx.Done():
			}
			continue
		}

		added := a.config.Events.Added()
		if !a.sendQueued(ctx, link) {
			continue
		}
		select {
		case <-added:
		case <-ctx.Done():
		}
	}
}

// sendQueued sends queued events until the queue is empty. It returns false if sending
// failed or ctx has ended.
func (a *Agent) sendQueued(ctx context.Context, link Link) bool {
	for {
		event, ok := a.config.Events.Next()
		if !ok {
			return true
		}

		message, err := eventMessage(event, a.config.Events.Store())
		if err != nil { // cannot happen: the events file contains the same JSON
			a.messages.failed(0)
			return false
		}
		if a.send(ctx, link, message) != nil {
			return false
		}
		a.config.Events.Sent(event)
	}
}

// send sends a message and sets the pace of all messages.
func (a *Agent) send(ctx context.Context, link Link, m iothub.Message) error {
	err := link.Send(ctx, m)
	switch {
	case err == nil:
		a.messages.succeeded()
	case errors.Is(err, context.Canceled): // the agent is closing the link
	default:
		failures, wait := a.messages.failed(0)
		a.config.Log.Warn("the hub did not acknowledge a message; methods and the twin go on, and events are sent again later",
			zap.Error(err), zap.Int("failures", failures), zap.Duration("retry_in", wait))
	}
	return err
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
