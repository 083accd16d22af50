package mqtt_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// If the hub sends an invalid packet, the device must close the link, log the reason
// and connect again after a wait that grows.
func TestInvalidPacket(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, connack, suback, then string
		want                        string
	}{
		{"answer to CONNECT", "\x20\x00", "", "",
			"the server sent an invalid packet: CONNACK of 0 bytes; want 2; check that the address belongs to the MQTT server of an IoT Hub"},
		{"answer to SUBSCRIBE", "", "\x90\x06\x00\x01\x00\x00\x00\x00", "",
			"the device closed the link, because the hub sent an invalid packet: SUBACK of 6 bytes; want 5"},
		{"message", "", "", "\x30\x04\x00\x05ab",
			"the device closed the link, because the hub sent an invalid packet: PUBLISH of 4 bytes with a topic of 5 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			p := newPeer(t, nil)
			p.rawConnack, p.rawSuback = test.connack, test.suback
			d := startDevice(t, p, nil)
			for _, wait := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
				s := p.next(t)
				if test.then != "" {
					receive(t, d.links, "a link")
					s.conn.Write([]byte(test.then))
				}
				d.clock.fire(t, wait)
			}

			p.next(t)
			wantLogged(t, d, "hub at "+p.address+": "+test.want)
		})
	}
}

// A server sends a retained message again on each link. The device must ignore and
// count retained messages, whatever their topic.
func TestRetainedMessages(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.onTwinGet = nil })
	d := startDevice(t, p, nil)
	for n := range int64(2) {
		s, link := p.next(t), d.link(t)
		s.retained("$iothub/methods/POST/unlockDoor/?$rid=1", "null")
		s.retained("$iothub/twin/PATCH/properties/desired/?$version=2", `{"lockdown":false}`)

		twin := make(chan iothub.DeviceTwin, 1)
		go func() {
			answer, _ := link.Twin(t.Context())
			twin <- answer
		}()
		id := s.message(t).TopicName[len("$iothub/twin/GET/?$rid="):]
		s.retained("$iothub/twin/res/200/?$rid="+id, `{"desired":{"$version":1},"reported":{"$version":1}}`)
		s.publish("$iothub/twin/res/200/?$rid="+id, `{"desired":{"$version":9},"reported":{"$version":1}}`)
		if answer := receive(t, twin, "the twin"); answer.Desired.Version() != 9 {
			t.Errorf("Twin returned %v from a retained message", answer)
		}

		s.method("1", "ping", "null") // the retained method did not use up its request id
		if m := receive(t, link.Methods(), "a method"); m.Name != "ping" {
			t.Errorf("the retained method %s was delivered", m.Name)
		}
		if len(link.Desired()) > 0 {
			t.Error("a retained change of the desired properties was delivered")
		}
		if got, want := link.Replayed(), 3*(n+1); got != want {
			t.Errorf("%d retained messages were counted, want %d", got, want)
		}

		s.conn.Close()
		d.clock.fire(t, []time.Duration{500 * time.Millisecond, time.Second}[n])
	}
	if n := d.logs.FilterMessage("ignored a retained message from the hub").Len(); n != 6 {
		t.Errorf("the log has %d retained messages, want 6", n)
	}
}

// If the hub closes the connection instead of answering a request, the device must say
// so, and must not suspect another client. The request fails with ErrLinkEnded.
func TestRequestClosesLink(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name    string
		request func(d *device, link served) error
		want    string
	}{
		{"message", func(_ *device, link served) error { return link.Send(link.ctx, message) },
			"the hub closed the link before it acknowledged a message"},
		{"read of the twin", func(_ *device, link served) error { _, err := link.Twin(link.ctx); return err },
			"the hub closed the link before it answered a request for the twin"},
		{"report", func(_ *device, link served) error {
			_, err := link.Report(link.ctx, iothub.Object{"a": 1})
			return err
		}, "the hub closed the link before it answered a request for the twin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			p := newPeer(t, func(p *peer) { p.noPuback, p.onTwinGet = true, nil })
			d := startDevice(t, p, nil)
			for range 5 {
				s, link := p.next(t), d.link(t)
				result := make(chan error, 1)
				go func() { result <- test.request(d, link) }()
				s.message(t)
				d.clock.advance(3 * time.Second) // the device has used the link before it made the request
				s.conn.Close()
				if err := receive(t, result, "the end of the request"); !errors.Is(err, mqtt.ErrLinkEnded) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
				d.clock.fire(t, 500*time.Millisecond)
			}

			wantLogged(t, d, "hub at "+p.address+": "+test.want+": the hub was stopped, or the device is above a quota or limit of the hub")
			if n := d.logs.FilterMessageSnippet("another client").Len(); n > 0 {
				t.Error("the log blames another client")
			}
		})
	}
}

// The methods that wait for their answers must not use more than 1 MiB.
func TestMethodsAreBoundedInBytes(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	payload := fmt.Sprintf("%q", strings.Repeat("x", 127<<10))
	for n := range 10 {
		s.method(fmt.Sprint(n), "ping", payload)
	}
	s.method(strings.Repeat("9", 1025), "ping", "null")
	if _, err := link.Twin(t.Context()); err != nil { // after this answer, all methods have arrived
		t.Fatal(err)
	}

	var ids []string
	for len(link.Methods()) > 0 {
		ids = append(ids, (<-link.Methods()).RequestID)
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7"}; !slices.Equal(ids, want) {
		t.Errorf("got the methods %v, want %v", ids, want)
	}

	if err := link.Respond(t.Context(), "0", iothub.MethodResponse{Status: 200}); err != nil {
		t.Fatal(err)
	}
	s.method("10", "ping", payload) // an answer makes room
	if m := receive(t, link.Methods(), "a method"); m.RequestID != "10" {
		t.Errorf("got the method %s", m.RequestID)
	}
}

// retained sends a message with the flag RETAIN to the client.
func (s *session) retained(topic, payload string) {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName, m.Payload, m.Retain = topic, []byte(payload), true
	m.Write(s.conn)
}
