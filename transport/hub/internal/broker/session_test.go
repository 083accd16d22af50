package broker

import (
	"errors"
	"maps"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

// expectServed checks that the device receives methods, desired patches and twin answers
// without subscribing again. The official SDK relies on this after a reconnect.
func expectServed(t *testing.T, f *front, c *rawClient, deviceID string) {
	t.Helper()
	f.awaitReady(t, deviceID)
	done := f.invoke(deviceID, "m", "", 0)
	c.answer(200, "")
	if got := next(t, done); got.err != nil {
		t.Error(got.err)
	}
	f.SendDesired(deviceID, iothub.Object{"x": 1, "$version": int64(3)})
	if pk := c.expect(packets.Publish); pk.TopicName != "$iothub/twin/PATCH/properties/desired/?$version=3" {
		t.Errorf("got %s", pk.TopicName)
	}
	c.publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=r", "{}")
	if pk := c.expect(packets.Publish); pk.TopicName != "$iothub/twin/res/204/?$rid=r&$version=2" {
		t.Errorf("got %s", pk.TopicName)
	}
}

func TestSessionSurvivesReconnectsAndRestarts(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c, present := f.connectPersistent(t, "d1")
	if present {
		t.Error("the first connection has a session present")
	}
	c.subscribe(allFilters("d1")...)
	expectServed(t, f, c, "d1")

	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	c.expectEnd()
	if c, present = f.connectPersistent(t, "d1"); !present {
		t.Error("no session is present after a reconnect")
	}
	expectServed(t, f, c, "d1")

	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = start(t, backend, Options{})
	if c, present = f.connectPersistent(t, "d1"); !present {
		t.Error("no session is present after a restart")
	}
	expectServed(t, f, c, "d1")
}

func TestSessionIsStoredBeforeItIsAcknowledged(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c, _ := f.connectPersistent(t, "d1")

	c.send(subscribePacket(2, iothub.MethodsFilter, iothub.DeviceboundFilter("d1")))
	if got := c.expect(packets.Suback).ReasonCodes; string(got) != "\x01\x01" {
		t.Errorf("QoS 2 was answered with %v, want QoS 1 granted", got)
	}
	want := map[string]byte{iothub.MethodsFilter: 1, iothub.DeviceboundFilter("d1"): 1}
	if got := backend.stored("d1"); !maps.Equal(got, want) {
		t.Errorf("the stored session is %v, want %v", got, want)
	}

	unsubscribe := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 8,
		Filters: packets.Subscriptions{{Filter: iothub.MethodsFilter}, {Filter: "$share/g/#"}, {Filter: "never/was"}}}
	c.send(unsubscribe)
	c.expect(packets.Unsuback)
	delete(want, iothub.MethodsFilter)
	if got := backend.stored("d1"); !maps.Equal(got, want) {
		t.Errorf("the stored session is %v, want %v", got, want)
	}
	wantCode(t, next(t, f.invoke("d1", "m", "", 0)).err, iothub.CodeDeviceNotOnline)

	// If the broker cannot store a subscription, it does not acknowledge the
	// subscription.
	backend.saveSession = func(string, map[string]byte) error { return errors.New("the disk is full") }
	c.send(subscribePacket(0, iothub.MethodsFilter))
	c.expectEnd()
	backend.saveSession = nil
	if got := backend.stored("d1"); !maps.Equal(got, want) {
		t.Errorf("the stored session is %v, want %v", got, want)
	}
	if c, _ = f.connectPersistent(t, "d1"); c != nil {
		f.nextConnection(t)
		wantCode(t, next(t, f.invoke("d1", "m", "", 0)).err, iothub.CodeDeviceNotOnline)
	}
}

func TestCleanConnectionDeletesTheSession(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c, _ := f.connectPersistent(t, "d1")
	c.subscribe(allFilters("d1")...)

	c = f.dial(t)
	if ack := c.login(connectPacket("d1")); ack.SessionPresent {
		t.Error("a clean connection has a session present")
	}
	if got := backend.stored("d1"); got != nil {
		t.Errorf("the stored session is %v, want none", got)
	}
	c.subscribe(allFilters("d1")...)
	if got := backend.stored("d1"); got != nil {
		t.Errorf("a clean connection stored %v", got)
	}
	if _, present := f.connectPersistent(t, "d1"); present {
		t.Error("a deleted session is present")
	}
}

// Messages for a device that is not connected are dropped, not queued.
func TestNothingIsQueuedForADisconnectedDevice(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	c, _ := f.connectPersistent(t, "d1")
	c.subscribe(allFilters("d1")...)
	f.nextConnection(t)
	c.conn.Close()
	if got := f.nextConnection(t); got.connected {
		t.Fatal("the device is still connected")
	}
	wantCode(t, next(t, f.invoke("d1", "m", "", 0)).err, iothub.CodeDeviceNotOnline)
	f.SendDesired("d1", iothub.Object{"$version": int64(2)})
	c, _ = f.connectPersistent(t, "d1")
	expectServed(t, f, c, "d1")
}

func TestForget(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c, _ := f.connectPersistent(t, "d1")
	c.subscribe(allFilters("d1")...)
	if err := f.Forget(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	c.expectEnd()
	if got := backend.stored("d1"); got != nil {
		t.Errorf("the stored session is %v, want none", got)
	}
	if _, present := f.connectPersistent(t, "d1"); present {
		t.Error("the session was not deleted")
	}
}
