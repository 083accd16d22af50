package agent

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// telemetryNow is the state of the door as it is told each telemetrySeconds.
type telemetryNow struct {
	Name     string    `json:"event"`
	At       time.Time `json:"at"`
	Position string    `json:"position"`
	Source   string    `json:"source"`
	Door     string    `json:"door,omitempty"`
}

// sendTelemetry tells the hub where the door stands as often as telemetrySeconds
// says, until ctx ends. What cannot be sent is not kept: it would be old by the
// time that there is a hub.
func (a *Agent) sendTelemetry(ctx context.Context, link Link) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var every time.Duration
	for {
		if now := time.Duration(a.settings().TelemetrySeconds) * time.Second; now != every {
			every = now
			timer.Stop()
			if every > 0 {
				timer.Reset(every)
			}
		}
		select {
		case <-timer.C:
			if every > 0 {
				a.sendOnce(ctx, link)
				timer.Reset(every)
			}
		case <-a.paced:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) sendOnce(ctx context.Context, link Link) {
	status := a.lock.Status()
	body, err := json.Marshal(telemetryNow{
		Name: "status", At: a.config.Now().UTC().Truncate(time.Millisecond),
		Position: string(status.Position), Source: string(status.Source), Door: string(status.Door),
	})
	if err == nil {
		err = link.Send(ctx, iothub.Message{
			ContentType: "application/json", ContentEncoding: "utf-8",
			Properties: iothub.Bag{{Name: "event", Value: "status"}}, Body: body,
		})
	}
	if err != nil && ctx.Err() == nil {
		a.config.Log.Debug("the door's state did not reach the hub", zap.Error(err))
	}
}
