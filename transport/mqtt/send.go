package mqtt

import (
	"context"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/transport/iothub"
)

// sendTimeout bounds the wait for a message's acknowledgement, as in the
// official SDKs. A hub that throttles keeps it back, or ends the link.
const sendTimeout = 30 * time.Second

// Send sends a device-to-cloud message and returns once the hub has acknowledged
// it. If it fails the hub may have the message all the same: who sends it again
// sends it at least once, with the same ID.
func (l *Link) Send(ctx context.Context, m iothub.Message) error {
	if n := len(m.Body); n > iothub.MaxMessage {
		return fmt.Errorf("send a message: it has %d bytes; at most %d are allowed", n, iothub.MaxMessage)
	}
	topic := m.Topic(l.set.Device.DeviceID, l.set.Device.ModuleID)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := l.within(sendTimeout, func() error {
		_, err := l.await(ctx, func() paho.Token { return l.client.Publish(topic, 1, false, m.Body) })
		return err
	})
	if err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}
