package mqtt_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

var message = iothub.Message{
	ID: "a-1", ContentType: "application/json", ContentEncoding: "utf-8",
	Properties: iothub.Bag{{Name: "event", Value: "locked"}}, Body: []byte(`{"event":"locked"}`),
}

// Send must deliver the message with QoS 1 and the right topic.
func TestSend(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	if err := link.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	m := s.message(t)
	const topic = "devices/d1/messages/events/%24.mid=a-1&%24.ct=application%2Fjson&%24.ce=utf-8&event=locked"
	if m.TopicName != topic || string(m.Payload) != `{"event":"locked"}` || m.Qos != 1 || m.Retain {
		t.Errorf("got %s %s QoS %d", m.TopicName, m.Payload, m.Qos)
	}

	if err := link.Send(t.Context(), iothub.Message{Body: make([]byte, iothub.MaxMessage+1)}); err == nil {
		t.Error("Send accepted a message that is too large")
	}
}

func TestSendWithoutAcknowledgement(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name string
		end  func(d *device, s *session, cancel func())
		want error
	}{
		{"context", func(_ *device, _ *session, cancel func()) { cancel() }, context.Canceled},
		{"link", func(_ *device, s *session, _ func()) { s.conn.Close() }, mqtt.ErrLinkEnded},
		{"time", func(d *device, _ *session, _ func()) { d.clock.fire(t, 30*time.Second) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, func(p *peer) { p.noPuback = true })
			d := startDevice(t, p, nil)
			s, link := p.next(t), d.link(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error, 1)
			go func() { result <- link.Send(ctx, message) }()
			s.message(t)
			test.end(d, s, cancel)
			if err := receive(t, result, "the end of Send"); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
