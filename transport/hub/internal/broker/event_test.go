package broker

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

func TestEvents(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	c := f.connect(t, "d1")
	for _, test := range []struct {
		qos    byte
		topic  string
		retain bool
		body   string
		want   iothub.Bag
	}{
		{0, "devices/d1/messages/events/", false, "a", nil},
		{1, "devices/d1/messages/events/", false, "", nil},
		{1, "devices/d1/messages/events/%24.mid=m%201&a%20b=c%26d", false, "b", iothub.Bag{{Name: "$.mid", Value: "m 1"}, {Name: "a b", Value: "c&d"}}},
		{1, "devices/d1/messages/events/a=b", true, "c", iothub.Bag{{Name: "a", Value: "b"}, {Name: "mqtt-retain", Value: "true"}}},
		{1, "devices/d1/messages/events/", false, strings.Repeat("x", maxBody), nil},
	} {
		pk := publishPacket(test.qos, test.topic, test.body)
		pk.FixedHeader.Retain = test.retain
		c.send(pk)
		if test.qos > 0 {
			c.expect(packets.Puback)
			if len(f.backend.events) == 0 {
				t.Errorf("%s was acknowledged before the backend had it", test.topic)
			}
		}
		got := next(t, f.backend.events)
		if got.deviceID != "d1" || got.payload != test.body || !reflect.DeepEqual(got.bag, test.want) {
			t.Errorf("%s: got properties %v and %d bytes", test.topic, got.bag, len(got.payload))
		}
	}
}

func TestFailedEventIsNotAcknowledged(t *testing.T) {
	backend := newFakeBackend()
	backend.event = func(event) error { return errors.New("the disk is full") }
	f := start(t, backend, Options{})
	c := f.connect(t, "d1")
	c.send(publishPacket(1, "devices/d1/messages/events/", "x"))
	c.expectEnd()
}

func TestWills(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	connectWithWill := func(t *testing.T) *rawClient {
		pk := connectPacket("d1")
		withWill("devices/d1/messages/events/a=b", 1)(&pk)
		pk.Connect.WillRetain = true
		c := f.dial(t)
		if ack := c.login(pk); ack.ReasonCode != 0 {
			t.Fatalf("CONNACK has code %d", ack.ReasonCode)
		}
		return c
	}
	want := event{"d1", iothub.Bag{{Name: "a", Value: "b"}, {Name: "iothub-MessageType", Value: "Will"}, {Name: "mqtt-retain", Value: "true"}}, "gone"}
	for name, end := range map[string]func(*rawClient){
		"lost":               func(c *rawClient) { c.conn.Close() },
		"protocol violation": func(c *rawClient) { c.send(publishPacket(0, "a/b", "")) },
		"taken over":         func(c *rawClient) { f.connect(c.t, "d1") },
		"disconnected":       func(*rawClient) { f.Disconnect("d1") },
	} {
		t.Run(name, func(t *testing.T) {
			end(connectWithWill(t))
			if got := next(t, f.backend.events); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("after DISCONNECT", func(t *testing.T) {
		for len(f.backend.connections) > 0 {
			<-f.backend.connections
		}
		c := connectWithWill(t)
		c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
		c.expectEnd()
		for f.nextConnection(t).connected { // the broker sends a will before it reports the disconnect
		}
		if n := len(f.backend.events); n != 0 {
			t.Errorf("a will was sent: %+v", <-f.backend.events)
		}
	})
}
