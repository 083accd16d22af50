package mqtt

import (
	"context"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/transport/iothub"
)

// sendTimeout limits the wait until the hub acknowledges a message. The official SDKs
// use the same limit. A hub that throttles the device delays the acknowledgement or
// closes the link.
const sendTimeout = 30 * time.Second

// Send sends a device-to-cloud message. It returns nil after the hub has acknowledged
// the message. If Send fails, the hub may still have received the message. To deliver a
// message at least once, send it again with the same ID.
func (l *Link) Send(ctx context.Context, m iothub.Message) error {
	if n := len(m.Body); n > iothub.MaxMessage {
		return fmt.Errorf("send a message: it has %d bytes; at most %d are allowed", n, iothub.MaxMessage)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.sending.Add(1)
	defer l.sending.Add(-1)

	topic := m.Topic(l.set.Device.DeviceID, l.set.Device.ModuleID)
	err := l.within(sendTimeout, func() error {
		_, err := l.await(ctx, func() paho.Token { return l.client.Publish(topic, 1, false, m.Body) })
		return err
	})

	if err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}
