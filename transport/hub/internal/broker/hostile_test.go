package broker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// TestHostileDevices sends packets that the broker must not accept. Each must close the
// connection of its sender. Another device, which has all possible subscriptions, must
// receive nothing.
func TestHostileDevices(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	witness := f.connect(t, "witness")
	tests := []struct {
		name string
		send packets.Packet
	}{
		{"subscribe to everything", subscribePacket(0, "#")},
		{"subscribe to one level", subscribePacket(0, "+")},
		{"subscribe to all levels below any", subscribePacket(0, "+/#")},
		{"subscribe to all of IoT Hub's topics", subscribePacket(0, "$iothub/#")},
		{"subscribe to the topics of all devices", subscribePacket(0, "devices/#")},
		{"subscribe to all of its own topics", subscribePacket(0, "devices/mallory/#")},
		{"subscribe to registrations", subscribePacket(0, "$dps/registrations/res/#")},
		{"subscribe to methods more widely", subscribePacket(0, "$iothub/methods/#")},
		{"subscribe to one method", subscribePacket(0, "$iothub/methods/POST/lockDoor/#")},
		{"subscribe to answers of devices", subscribePacket(0, "$iothub/methods/res/#")},
		{"subscribe to reports", subscribePacket(0, "$iothub/twin/PATCH/properties/reported/#")},
		{"subscribe in upper case", subscribePacket(0, "$IOTHUB/methods/POST/#")},
		{"subscribe to system topics", subscribePacket(0, "$SYS/#")},
		{"shared subscription", subscribePacket(0, "$share/g/$iothub/methods/POST/#")},
		{"shared subscription to everything", subscribePacket(0, "$share/g/#")},
		{"subscribe in the topic tree", subscribePacket(0, "witness/#")},
		{"subscribe to another's methods in the topic tree", subscribePacket(0, "witness/$iothub/methods/POST/#")},
		{"subscribe to another's messages", subscribePacket(0, iothub.DeviceboundFilter("witness"))},
		{"subscribe to everyone's messages", subscribePacket(0, "devices/+/messages/devicebound/#")},
		{"subscribe to events", subscribePacket(0, "devices/mallory/messages/events/#")},
		{"subscribe to a foreign filter after an allowed one", subscribePacket(0, iothub.MethodsFilter, "#")},
		{"subscribe without a filter", packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 7}},

		{"publish a method", publishPacket(0, "$iothub/methods/POST/unlockDoor/?$rid=1", "null")},
		{"publish a method in the topic tree", publishPacket(0, "witness/$iothub/methods/POST/unlockDoor/?$rid=1", "null")},
		{"publish a method in the topic tree at QoS 1", publishPacket(1, "witness/$iothub/methods/POST/unlockDoor/?$rid=1", "null")},
		{"publish a desired patch", publishPacket(0, "$iothub/twin/PATCH/properties/desired/?$version=9", "{}")},
		{"publish a desired patch in the topic tree", publishPacket(0, "witness/$iothub/twin/PATCH/properties/desired/?$version=9", "{}")},
		{"publish a twin answer", publishPacket(0, "$iothub/twin/res/200/?$rid=1", "{}")},
		{"publish another's event", publishPacket(1, "devices/witness/messages/events/", "x")},
		{"publish an event in upper case", publishPacket(1, "devices/MALLORY/messages/events/", "x")},
		{"publish a module's event", publishPacket(1, "devices/mallory/modules/m/messages/events/", "x")},
		{"publish to another's messages", publishPacket(1, "devices/witness/messages/devicebound/", "x")},
		{"publish to its own messages", publishPacket(1, "devices/mallory/messages/devicebound/", "x")},
		{"publish a system topic", publishPacket(0, "$SYS/broker/uptime", "1")},
		{"publish to any topic", publishPacket(0, "a/b", "x")},
		{"publish to a wildcard", publishPacket(0, "devices/mallory/messages/events/#", "x")},
		{"publish to no topic", publishPacket(0, "", "x")},
		{"publish at QoS 2", publishPacket(2, "devices/mallory/messages/events/", "x")},
		{"publish a twin request without an id", publishPacket(0, "$iothub/twin/GET/", " ")},
		{"publish an answer without a status", publishPacket(0, "$iothub/methods/res/?$rid=1", "{}")},
		{"get the twin with a request id that makes the answer's topic too long", publishPacket(0, "$iothub/twin/GET/?$rid="+strings.Repeat("r", 65_000), "")},
		{"get the twin with a long request id", publishPacket(0, "$iothub/twin/GET/?$rid="+strings.Repeat("r", maxRequestID+1), "")},
		{"report with a long request id", publishPacket(0, iothub.TwinRequestTopic(iothub.TwinReport, strings.Repeat("r", maxRequestID+1)), "{}")},
		{"publish retained to the topic tree", func() packets.Packet {
			pk := publishPacket(0, "witness/$iothub/methods/POST/unlockDoor/?$rid=1", "null")
			pk.FixedHeader.Retain = true
			return pk
		}()},
		{"publish a body over 256 KiB", publishPacket(1, "devices/mallory/messages/events/", strings.Repeat("x", maxBody+1))},
		{"connect twice", connectPacket("mallory")},
		{"connect as another device", connectPacket("witness")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mallory := f.connect(t, "mallory")
			mallory.send(test.send)
			mallory.expectEnd()
			expectUntouched(t, f, witness)
		})
	}

	for name, text := range map[string]string{
		"a packet of type 0":            "\x00\x00",
		"CONNACK from a device":         "\x20\x02\x00\x00",
		"PUBREC":                        "\x50\x02\x00\x09",
		"PUBREL":                        "\x62\x02\x00\x09",
		"PUBCOMP":                       "\x70\x02\x00\x09",
		"AUTH":                          "\xf0\x00",
		"QoS 3":                         "\x36\x00",
		"a length of five bytes":        "\x30\xff\xff\xff\xff\x01",
		"a length over the packet size": "\x30\xff\xff\xff\x7f",
		"a topic longer than its frame": "\x30\x02\xff\xff",
		"a topic that is not UTF-8":     "\x30\x04\x00\x02\xff\xfe",
		"flags in SUBSCRIBE":            "\x80\x00",
	} {
		t.Run(name, func(t *testing.T) {
			mallory := f.connect(t, "mallory")
			mallory.write([]byte(text))
			mallory.expectEnd()
			expectUntouched(t, f, witness)
		})
	}
}

// The longest request id comes back unchanged.
func TestLongestRequestID(t *testing.T) {
	t.Parallel()
	f := start(t, newFakeBackend(), Options{})
	id := strings.Repeat("r", maxRequestID)
	c := f.connect(t, strings.Repeat("$", 128)) // an id that is long in the topic tree
	c.publish(0, "$iothub/twin/GET/?$rid="+id, "")

	if got, want := c.expect(packets.Publish).TopicName, "$iothub/twin/res/200/?$rid="+id; got != want {
		t.Errorf("the topic of the answer is %.60q… (%d bytes), want %d bytes", got, len(got), len(want))
	}
}

// A stranger's text is cut, and a flood of refusals writes a bounded number of entries.
// Control characters are escaped once.
func TestRefusalsInTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	f := start(t, newFakeBackend(), Options{Logger: zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&log), zap.InfoLevel))})

	refused := func(user string) {
		c := f.dial(t)
		pk := connectPacket("d1")
		pk.Connect.Username, pk.Connect.PasswordFlag, pk.Connect.Password = []byte(user), false, nil
		if ack := c.login(pk); ack.ReasonCode != refusedLogin {
			t.Errorf("CONNACK has code %d", ack.ReasonCode)
		}
		c.expectEnd()
	}
	for range 20 {
		refused("hub/d1/?api-version=1&" + strings.Repeat("\x01", 65_000) + "=%zz")
		refused(strings.Repeat("\x01", 65_535))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	if n, limit := log.Len(), logtext.MaxPerAddress*(6*logtext.MaxText+500); n == 0 || n > limit {
		t.Errorf("40 refusals wrote %d bytes, want 1 to %d", n, limit)
	}
	if text := log.String(); !strings.Contains(text, `"user_name":"\u0001\u0001`) && !strings.Contains(text, `1&\u0001`) || strings.Contains(text, `\\`) {
		t.Errorf("the control characters are not escaped once: %.600s", text)
	}
}

// expectUntouched checks that a device has received nothing so far: it calls a method on
// the device, and that call must be the next packet. It also checks that the backend has
// received no event.
func expectUntouched(t *testing.T, f *front, device *rawClient) {
	t.Helper()
	done := f.invoke("witness", "stillThere", "", 0)
	if name, _, _ := device.answer(200, ""); name != "stillThere" {
		t.Errorf("the other device received %s", name)
	}
	if got := next(t, done); got.err != nil {
		t.Error(got.err)
	}
	if n := len(f.backend.events); n != 0 {
		t.Errorf("the backend received %d events: %+v", n, <-f.backend.events)
	}
}

// A device id may contain characters with a meaning in MQTT filters and topics, except
// the wildcards + and #.
func TestIsolationOfOddDeviceIDs(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	ids := []string{"d1", "D1", "$share", "$SYS", "d1%2F", "%641", "inline", "X:1;2", "$iothub"}
	for _, id := range []string{"+", "#", "a+#b", "d1+"} {
		if ack := f.dial(t).login(connectPacket(id)); ack.ReasonCode != 5 {
			t.Errorf("the login of %s has code %d", id, ack.ReasonCode)
		}
	}

	links := make(map[string]*rawClient)
	for _, id := range ids {
		links[id] = f.connect(t, id)
	}
	for _, id := range ids {
		done := f.invoke(id, "m", `"`+id+`"`, 0)
		if _, _, payload := links[id].answer(200, ""); payload != `"`+id+`"` {
			t.Errorf("%s got the call for %s", id, payload)
		}
		if got := next(t, done); got.err != nil {
			t.Errorf("%s: %v", id, got.err)
		}
		f.SendDesired(id, iothub.Object{"$version": int64(2)})
		if pk := links[id].expect(packets.Publish); pk.TopicName != "$iothub/twin/PATCH/properties/desired/?$version=2" {
			t.Errorf("%s got %s", id, pk.TopicName)
		}
	}
}

// A device whose id equals the start of all event topics receives no events of other
// devices.
func TestEventsDoNotReachOtherDevices(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	odd, d := f.connect(t, "devices"), f.connect(t, "d1")
	for qos := range byte(2) {
		d.publish(qos, "devices/d1/messages/events/", "private")
		next(t, f.backend.events)
	}
	done := f.invoke("devices", "own", "", 0)
	if name, _, _ := odd.answer(200, ""); name != "own" {
		t.Errorf("the device received %s", name)
	}
	next(t, done)
}

// The broker handles no message of a client that has not logged in.
func TestNoMessageBeforeTheLogin(t *testing.T) {
	backend := newFakeBackend()
	handled := make(chan string, 10)
	backend.event = func(event) error { handled <- "an event"; return nil }
	backend.twin = func(string) (iothub.DeviceTwin, error) { handled <- "a twin"; return twinOf("", 1), nil }
	backend.report = func(string, iothub.Object, int64) (int64, error) { handled <- "a report"; return 2, nil }
	f := start(t, backend, Options{})
	for _, topic := range []string{
		"devices//messages/events/", "devices/d1/messages/events/", "$iothub/twin/GET/?$rid=1",
		"$iothub/twin/PATCH/properties/reported/?$rid=1", "$iothub/methods/res/200/?$rid=1",
	} {
		c := f.dial(t)
		c.send(publishPacket(0, topic, "{}"))
		c.expectEnd()
		if len(handled) > 0 {
			t.Errorf("the broker handled %s that was sent to %s", <-handled, topic)
		}
	}
}
