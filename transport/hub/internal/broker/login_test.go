package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

func TestLoginRefusals(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	backend.login = func(l Login) (time.Time, error) {
		switch {
		case l.User.DeviceID == "broken":
			return time.Time{}, errors.New("the disk is full")
		case l.User.DeviceID == "busy":
			return time.Time{}, iothub.Errorf(iothub.CodeThrottling, "too many")
		case l.User.DeviceID == "down":
			return time.Time{}, iothub.Errorf(iothub.CodeServiceUnavailable, "starting")
		case l.Password != "good":
			return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "wrong key")
		}
		return time.Time{}, nil
	}
	for _, test := range []struct {
		name  string
		spoil func(*packets.Packet)
		want  byte
	}{
		{"valid", func(*packets.Packet) {}, 0},
		{"wrong password", func(pk *packets.Packet) { pk.Connect.Password = []byte("bad") }, 5},
		{"no password", func(pk *packets.Packet) { pk.Connect.PasswordFlag, pk.Connect.Password = false, nil }, 5},
		{"empty password", func(pk *packets.Packet) { pk.Connect.Password = nil }, 5},
		{"no user name", func(pk *packets.Packet) {
			pk.Connect.UsernameFlag, pk.Connect.Username = false, nil
			pk.Connect.PasswordFlag, pk.Connect.Password = false, nil
		}, 5},
		{"no client id", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "" }, 5},
		{"no client id, persistent session", func(pk *packets.Packet) { pk.Connect.ClientIdentifier, pk.Connect.Clean = "", false }, 5},
		{"client id of another device", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "d2" }, 5},
		{"malformed user name", func(pk *packets.Packet) { pk.Connect.Username = []byte("hub/d1") }, 5},
		{"a module", func(pk *packets.Packet) {
			pk.Connect.ClientIdentifier = "d1/m"
			pk.Connect.Username = []byte("hub/d1/m/?api-version=2021-04-12")
		}, 5},
		{"invalid device id", func(pk *packets.Packet) {
			pk.Connect.ClientIdentifier = "d 1"
			pk.Connect.Username = []byte("hub/d 1/?api-version=2021-04-12")
		}, 5},
		{"hub fails", connectAs("broken"), 3},
		{"hub is busy", connectAs("busy"), 3},
		{"hub is not ready", connectAs("down"), 3},
		{"MQTT 5", func(pk *packets.Packet) { pk.ProtocolVersion = 5 }, 1},
		{"MQTT 3.1", func(pk *packets.Packet) { pk.ProtocolVersion, pk.Connect.ProtocolName = 3, []byte("MQIsdp") }, 1},
		{"MQTT 6", func(pk *packets.Packet) { pk.ProtocolVersion = 6 }, 1},
		{"will for another device", withWill("devices/d2/messages/events/", 0), 5},
		{"will as a method request", withWill("$iothub/methods/POST/unlockDoor/?$rid=1", 0), 5},
		{"will in the topic tree", withWill("d2/$iothub/methods/POST/unlockDoor/?$rid=1", 0), 5},
		{"will as a report", withWill("$iothub/twin/PATCH/properties/reported/?$rid=1", 0), 5},
		{"will at QoS 2", withWill("devices/d1/messages/events/", 2), 5},
		{"valid will", withWill("devices/d1/messages/events/", 1), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			pk := connectPacket("d1")
			test.spoil(&pk)
			c := f.dial(t)
			ack := c.login(pk)
			if ack.ReasonCode != test.want || ack.SessionPresent {
				t.Fatalf("CONNACK has code %d, session present %v; want %d", ack.ReasonCode, ack.SessionPresent, test.want)
			}
			if test.want != 0 {
				c.expectEnd()
				return
			}
			c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
			c.expectEnd()
		})
	}
}

func connectAs(deviceID string) func(*packets.Packet) {
	return func(pk *packets.Packet) { *pk = connectPacket(deviceID) }
}

func withWill(topic string, qos byte) func(*packets.Packet) {
	return func(pk *packets.Packet) {
		pk.Connect.WillFlag, pk.Connect.WillTopic = true, topic
		pk.Connect.WillQos, pk.Connect.WillPayload = qos, []byte("gone")
	}
}

func TestLoginGetsAllCredentials(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	logins := make(chan Login, 1)
	backend.login = func(l Login) (time.Time, error) { logins <- l; return time.Time{}, nil }
	pk := connectPacket("d1")
	pk.Connect.PasswordFlag, pk.Connect.Password = false, nil
	f.dial(t).login(pk)
	got := next(t, logins)
	if got.ClientID != "d1" || got.User.HostName != "hub" || got.User.ModelID != "dtmi:test;1" || got.Password != "" {
		t.Errorf("the login is %+v", got)
	}
	if got.Chain.Leaf == nil || got.Chain.Leaf.Subject.CommonName != "test" {
		t.Errorf("the certificates are %+v", got.Chain)
	}
	if c := f.nextConnection(t); c != (connectionEvent{"d1", true, "dtmi:test;1"}) {
		t.Errorf("the connection is %+v", c)
	}
}

func TestExpiredLoginClosesTheConnection(t *testing.T) {
	backend := newFakeBackend()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := start(t, backend, Options{Now: func() time.Time { return now }})
	backend.login = func(Login) (time.Time, error) { return now.Add(time.Millisecond), nil }
	c := f.dial(t)
	c.login(connectPacket("d1"))
	c.expectEnd()
}

func TestNewConnectionTakesOver(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	first := f.connect(t, "d1")
	f.nextConnection(t)

	// A client with a wrong password must not close the connection of the device.
	bad := connectPacket("d1")
	bad.Connect.Password = []byte("bad")
	f.dial(t).login(bad)
	first.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	first.expect(packets.Pingresp)

	second := f.connect(t, "d1")
	first.expectEnd()
	for i, want := range []bool{false, true} {
		if got := f.nextConnection(t); got.connected != want {
			t.Errorf("connection %d is %+v", i, got)
		}
	}
	done := f.invoke("d1", "m", "", 0)
	second.answer(200, "")
	if got := next(t, done); got.err != nil {
		t.Error(got.err)
	}
}

// If a device opens many connections at once, exactly one of them must stay open and
// work.
func TestTakeOverUnderContention(t *testing.T) {
	const links = 20
	f := start(t, newFakeBackend(), Options{})
	codes := make(chan error, links)
	clients := make(chan *rawClient, links)
	for range links {
		c := f.dial(t)
		c.send(connectPacket("d1"))
		clients <- c
		go func() {
			_, err := c.read() // CONNACK, or an error if a later connection has replaced this one
			codes <- err
		}()
	}
	for range links {
		next(t, codes)
	}
	c := f.connect(t, "d1")
	for range links {
		next(t, clients).expectEnd()
	}
	done := f.invoke("d1", "m", "", 0)
	c.answer(200, "")
	if got := next(t, done); got.err != nil {
		t.Error(got.err)
	}

	open := 0
	for len(f.backend.connections) > 0 {
		if got := <-f.backend.connections; got.connected {
			open++
		} else {
			open--
		}
		if open < 0 || open > 1 {
			t.Fatalf("%d connections are open at once", open)
		}
	}
	if open != 1 {
		t.Errorf("%d connections are open, want 1", open)
	}
}

func TestDisconnect(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c := f.connect(t, "d1")
	f.Disconnect("d1")
	f.Disconnect("nobody")
	c.expectEnd()

	// Disconnect also closes a connection whose login is still being checked.
	entered, proceed := make(chan bool), make(chan bool)
	backend.login = func(Login) (time.Time, error) { entered <- true; <-proceed; return time.Time{}, nil }
	c = f.dial(t)
	c.send(connectPacket("d1"))
	next(t, entered)
	f.Disconnect("d1")
	close(proceed)
	c.expectEnd()
}
