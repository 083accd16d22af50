package agent

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// statusMessage is the JSON form of the periodic status message.
type statusMessage struct {
	Name     string    `json:"event"`
	At       time.Time `json:"at"`
	Position string    `json:"position"`
	Source   string    `json:"source"`
	Door     string    `json:"doorState,omitempty"`
}

// sendTelemetry sends a status message every telemetrySeconds until ctx ends. It does
// not retry a message that could not be sent, because the status would be out of date.
// It sends none while the agent waits because the hub acknowledges no messages.
func (a *Agent) sendTelemetry(ctx context.Context, link Link) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var interval time.Duration

	for {
		if setting := time.Duration(a.settings().TelemetrySeconds) * time.Second; setting != interval {
			interval = setting
			timer.Stop()
			if interval > 0 {
				timer.Reset(interval)
			}
		}

		select {
		case <-timer.C:
			if interval > 0 {
				if a.messages.pause() == nil {
					a.sendStatus(ctx, link)
				}
				timer.Reset(interval)
			}
		case <-a.intervalChanged:
		case <-ctx.Done():
			return
		}
	}
}

// sendStatus sends one status message.
func (a *Agent) sendStatus(ctx context.Context, link Link) {
	status := a.lock.Status()
	body, err := json.Marshal(statusMessage{
		Name:     "status",
		At:       a.config.Now().UTC().Truncate(time.Millisecond),
		Position: string(status.Position),
		Source:   string(status.Source),
		Door:     string(status.Door),
	})

	if err != nil {
		a.config.Log.Error("cannot encode the door's status as JSON", zap.Error(err))
		return
	}

	a.send(ctx, link, iothub.Message{
		ContentType:     "application/json",
		ContentEncoding: "utf-8",
		Properties:      iothub.Bag{{Name: "event", Value: "status"}},
		Body:            body,
	})
}
