package broker

import (
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/transport/iothub"
)

// TestPaho runs two devices with the MQTT client library paho. They use methods, twins,
// desired patches and events, and reconnect with their session.
func TestPaho(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	type message struct{ device, topic, payload string }
	messages := make(chan message, 100)
	open := func(deviceID string, subscribe bool) paho.Client {
		t.Helper()
		c := paho.NewClient(paho.NewClientOptions().
			AddBroker("tls://" + f.addr).SetTLSConfig(f.client).SetProtocolVersion(4).SetAutoReconnect(false).
			SetClientID(deviceID).SetUsername(iothub.UserName{HostName: "hub", DeviceID: deviceID}.String()).SetPassword("good").
			SetCleanSession(false).SetConnectTimeout(patience).
			SetDefaultPublishHandler(func(c paho.Client, m paho.Message) {
				messages <- message{deviceID, m.Topic(), string(m.Payload())}
				if name, rid, err := iothub.ParseMethodRequest(m.Topic()); err == nil {
					c.Publish(iothub.MethodResponseTopic(200, rid), 0, false, `"`+name+` by `+deviceID+`"`)
				}
			}))
		await(t, c.Connect())
		if subscribe {
			for _, filter := range allFilters(deviceID) {
				await(t, c.Subscribe(filter, 0, nil))
			}
		}
		return c
	}

	check := func(deviceID string, c paho.Client) {
		t.Helper()
		f.awaitReady(t, deviceID)
		if got := next(t, f.invoke(deviceID, "ping", "1", 0)); got.err != nil || string(got.response.Payload) != `"ping by `+deviceID+`"` {
			t.Errorf("%s answered %+v", deviceID, got)
		}
		if got := next(t, messages); got.device != deviceID || got.payload != "1" {
			t.Errorf("the call for %s arrived as %+v", deviceID, got)
		}
		await(t, c.Publish("$iothub/twin/GET/?$rid=1", 0, false, " "))
		if got, want := next(t, messages), (message{deviceID, "$iothub/twin/res/200/?$rid=1", `{"desired":{"$version":1,"of":"` + deviceID + `"},"reported":{"$version":1}}`}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		f.SendDesired(deviceID, iothub.Object{"$version": int64(1)})
		if got, want := next(t, messages), (message{deviceID, "$iothub/twin/PATCH/properties/desired/?$version=1", `{"$version":1}`}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		await(t, c.Publish(iothub.EventTopic(deviceID, iothub.Bag{{Name: "a", Value: "b"}}), 1, false, "hi"))
		if got := next(t, f.backend.events); got.deviceID != deviceID || got.payload != "hi" {
			t.Errorf("the event is %+v", got)
		}
	}

	c1, c2 := open("d1", true), open("d2", true)
	check("d1", c1)
	check("d2", c2)
	c1.Disconnect(100)
	c1 = open("d1", false)
	check("d1", c1)
	c1.Disconnect(100)
	c2.Disconnect(100)
}

// await waits for the end of a paho operation, which must succeed.
func await(t *testing.T, token paho.Token) {
	t.Helper()
	select {
	case <-token.Done():
	case <-time.After(patience):
		t.Fatal("the operation did not finish in time")
	}
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}
