package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

func TestTwinRequests(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	backend.report = func(_ string, patch iothub.Object, ifVersion int64) (int64, error) {
		if ifVersion != 0 && ifVersion != 6 {
			return 0, iothub.Errorf(iothub.CodePreconditionFailed, "version 6, not %d", ifVersion)
		}
		switch patch["fail"] {
		case "bad":
			return 0, iothub.Errorf(iothub.CodeArgumentInvalid, "too deep")
		case "large":
			return 0, fmt.Errorf("wrapped: %w", iothub.Errorf(iothub.CodeMessageTooLarge, "over 32 KiB"))
		case "often":
			return 0, iothub.Errorf(iothub.CodeThrottling, "slow down")
		case "gone":
			return 0, iothub.Errorf(iothub.CodeDeviceNotFound, "no such device")
		case "disk":
			return 0, errors.New("secret path is full")
		}
		return 7, nil
	}
	c := f.connect(t, "d1")
	for _, test := range []struct {
		topic, payload string
		wantTopic      string
		want           string // expected payload; for a refusal, the start of "number message"
	}{
		{"$iothub/twin/GET/?$rid=126f0705-c841", " ", "$iothub/twin/res/200/?$rid=126f0705-c841",
			`{"desired":{"$version":1,"of":"d1"},"reported":{"$version":1}}`},
		{"$iothub/twin/GET/?$rid=a%2Fb:c", "", "$iothub/twin/res/200/?$rid=a%2Fb:c",
			`{"desired":{"$version":1,"of":"d1"},"reported":{"$version":1}}`},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `{"x":1}`, "$iothub/twin/res/204/?$rid=1&$version=7", ""},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1&$version=6", `{"x":1}`, "$iothub/twin/res/204/?$rid=1&$version=7", ""},
		{"$iothub/twin/PATCH/properties/reported/?%24version=5&$rid=1", `{"x":1}`, "$iothub/twin/res/412/?$rid=1", "412001 version 6, not 5"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1&$version=new", `{"x":1}`, "$iothub/twin/res/400/?$rid=1", `400004 $version is "new"`},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1&$version=-1", `{"x":1}`, "$iothub/twin/res/400/?$rid=1", `400004 $version is "-1"`},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1&$version=", `{"x":1}`, "$iothub/twin/res/204/?$rid=1&$version=7", ""},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `[1]`, "$iothub/twin/res/400/?$rid=1", "400004"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", ``, "$iothub/twin/res/400/?$rid=1", "400004"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `{"fail":"bad"}`, "$iothub/twin/res/400/?$rid=1", "400004 too deep"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `{"fail":"large"}`, "$iothub/twin/res/413/?$rid=1", "413001 over 32 KiB"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `{"fail":"often"}`, "$iothub/twin/res/429/?$rid=1", "429001 slow down"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `{"fail":"gone"}`, "$iothub/twin/res/500/?$rid=1", "500001"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=1", `{"fail":"disk"}`, "$iothub/twin/res/500/?$rid=1", "500001 the hub failed to process the request: try again later"},
	} {
		c.publish(0, test.topic, test.payload)
		pk := c.expect(packets.Publish)
		if pk.TopicName != test.wantTopic {
			t.Errorf("%s %s: the answer is on %s, want %s", test.topic, test.payload, pk.TopicName, test.wantTopic)
		}
		got := string(pk.Payload)
		var r twinError
		if json.Unmarshal(pk.Payload, &r) == nil && r.ErrorCode != 0 {
			if r.TrackingID == "" {
				t.Errorf("%s: the refusal has no tracking id", test.payload)
			}
			got = fmt.Sprintf("%d %s", r.ErrorCode, r.Message)[:max(len(test.want), 6)]
		}
		if got != test.want {
			t.Errorf("%s %s: the answer is %s, want %s", test.topic, test.payload, got, test.want)
		}
	}
}

func TestTwinAnswerNeedsASubscription(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	c := f.dial(t)
	c.login(connectPacket("d1"))
	c.send(publishPacket(1, "$iothub/twin/GET/?$rid=1", " "))
	c.expect(packets.Puback)
	c.subscribe(iothub.TwinResponsesFilter) // fails if the answer to the request arrives before SUBACK
}

func TestDesiredPatchesKeepTheirOrder(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	c := f.connect(t, "d1")
	for v := range int64(50) {
		f.SendDesired("d1", iothub.Object{"v": v, "$version": v})
	}
	for v := range 50 {
		pk := c.expect(packets.Publish)
		if want := fmt.Sprintf(`{"$version":%d,"v":%d}`, v, v); string(pk.Payload) != want {
			t.Fatalf("got %s, want %s", pk.Payload, want)
		}
	}
}

// When a device has received a desired patch, it must not receive an older twin.
func TestTwinIsNotOlderThanTheLastPatch(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	reads := 0
	backend.twin = func(deviceID string) (iothub.DeviceTwin, error) {
		reads++
		if reads == 1 { // send a patch between the read of the twin and the answer
			f.SendDesired("d1", iothub.Object{"$version": int64(2)})
			return twinOf(deviceID, 1), nil
		}
		return twinOf(deviceID, 2), nil
	}
	c := f.connect(t, "d1")
	c.publish(0, "$iothub/twin/GET/?$rid=1", " ")
	if pk := c.expect(packets.Publish); pk.TopicName != "$iothub/twin/PATCH/properties/desired/?$version=2" {
		t.Errorf("got %s first", pk.TopicName)
	}
	var twin iothub.DeviceTwin
	if err := json.Unmarshal(c.expect(packets.Publish).Payload, &twin); err != nil {
		t.Fatal(err)
	}
	if twin.Desired.Version() != 2 {
		t.Errorf("the twin has version %d after patch 2", twin.Desired.Version())
	}
}
