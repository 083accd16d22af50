package iothub_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// The expected topics were recorded from the official Node SDK.
func TestTopicsAsBuilt(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ got, want string }{
		{iothub.MethodsFilter, "$iothub/methods/POST/#"},
		{iothub.TwinResponsesFilter, "$iothub/twin/res/#"},
		{iothub.DesiredFilter, "$iothub/twin/PATCH/properties/desired/#"},
		{iothub.DeviceboundFilter("d1"), "devices/d1/messages/devicebound/#"},
		{iothub.MethodRequestTopic("m", "1"), "$iothub/methods/POST/m/?$rid=1"},
		{iothub.MethodResponseTopic(200, "1"), "$iothub/methods/res/200/?$rid=1"},
		{iothub.TwinRequestTopic(iothub.TwinGet, "r"), "$iothub/twin/GET/?$rid=r"},
		{iothub.TwinRequestTopic(iothub.TwinReport, "r"), "$iothub/twin/PATCH/properties/reported/?$rid=r"},
		{iothub.TwinResponse{Status: 200, RequestID: "r"}.Topic(), "$iothub/twin/res/200/?$rid=r"},
		{iothub.TwinResponse{Status: 204, RequestID: "r", Version: 2}.Topic(), "$iothub/twin/res/204/?$rid=r&$version=2"},
		{iothub.DesiredTopic(2), "$iothub/twin/PATCH/properties/desired/?$version=2"},
		{iothub.EventTopic("d1", nil), "devices/d1/messages/events/"},
		{iothub.EventTopic("d1", iothub.Bag{{"$.mid", "m 1"}, {"a b", "c&d"}}), "devices/d1/messages/events/%24.mid=m%201&a%20b=c%26d"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestParseMethodRequest(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ topic, name, rid string }{
		{"$iothub/methods/POST/lockDoor/?$rid=1", "lockDoor", "1"},
		{"$iothub/methods/POST/lockDoor/?$rid=a-b%20c", "lockDoor", "a-b%20c"},
		{"$iothub/methods/POST/lockDoor/?%24rid=%23%2b", "lockDoor", "%23%2b"},
		{"$iothub/methods/POST/lock.door$1/?$rid=1&x=y", "lock.door$1", "1"},
		{"$iothub/methods/POST/lockDoor?$rid=1", "lockDoor", "1"},
	} {
		name, rid, err := iothub.ParseMethodRequest(test.topic)
		if err != nil || name != test.name || rid != test.rid {
			t.Errorf("%s: got %q, %q, %v; want %q, %q", test.topic, name, rid, err, test.name, test.rid)
		}
	}

	refuse(t, func(topic string) error { _, _, err := iothub.ParseMethodRequest(topic); return err },
		"", "lockDoor", "$iothub/methods/POST/", "$iothub/methods/POST/?$rid=1", "$iothub/methods/POST//?$rid=1",
		"$iothub/methods/POST/a/b/?$rid=1", "$iothub/methods/POST/m/", "$iothub/methods/POST/m/?$rid=",
		"$iothub/methods/POST/m/?rid=1", "$iothub/methods/POST/m/?$rid=%zz", "$iothub/methods/res/200/?$rid=1")
}

func TestParseMethodResponse(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		topic  string
		status int
		rid    string
	}{
		{"$iothub/methods/res/200/?$rid=1", 200, "1"},
		{"$iothub/methods/res/500/?$rid=7f", 500, "7f"},
		{"$iothub/methods/res/200/?$rid=a-b%20c", 200, "a-b%20c"},
		{"$iothub/methods/res/-1/?$rid=1", -1, "1"},
		{"$iothub/methods/res/200?$rid=1", 200, "1"},
	} {
		status, rid, err := iothub.ParseMethodResponse(test.topic)
		if err != nil || status != test.status || rid != test.rid {
			t.Errorf("%s: got %d, %q, %v; want %d, %q", test.topic, status, rid, err, test.status, test.rid)
		}
	}

	refuse(t, func(topic string) error { _, _, err := iothub.ParseMethodResponse(topic); return err },
		"", "$iothub/methods/res/", "$iothub/methods/res/ok/?$rid=1", "$iothub/methods/res/2e2/?$rid=1",
		"$iothub/methods/res//?$rid=1", "$iothub/methods/res/200/x/?$rid=1", "$iothub/methods/res/200/",
		"$iothub/methods/res/99999999999999999999/?$rid=1", "$iothub/methods/POST/m/?$rid=1", "x$iothub/methods/res/200/?$rid=1")
}

func TestParseTwinRequest(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		topic   string
		request iothub.TwinRequest
		rid     string
	}{
		{"$iothub/twin/GET/?$rid=126f0705-c841-4652-a4ca-aac9f9bcf26c", iothub.TwinGet, "126f0705-c841-4652-a4ca-aac9f9bcf26c"},
		{"$iothub/twin/PATCH/properties/reported/?$rid=c4379be6", iothub.TwinReport, "c4379be6"},
		{"$iothub/twin/GET/?$rid=%7bc4%7D", iothub.TwinGet, "%7bc4%7D"},
	} {
		request, rid, err := iothub.ParseTwinRequest(test.topic)
		if err != nil || request != test.request || rid != test.rid {
			t.Errorf("%s: got %v, %q, %v; want %v, %q", test.topic, request, rid, err, test.request, test.rid)
		}
	}

	refuse(t, func(topic string) error { _, _, err := iothub.ParseTwinRequest(topic); return err },
		"", "$iothub/twin/GET", "$iothub/twin/GET/", "$iothub/twin/GET/?$rid=", "$iothub/twin/GET/x/?$rid=1",
		"$iothub/twin/PATCH/properties/reported/", "$iothub/twin/PATCH/properties/desired/?$rid=1",
		"$iothub/twin/POST/?$rid=1", "$iothub/twin/PATCH/properties/reported/x?$rid=1")
}

func TestParseTwinResponse(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		topic string
		want  iothub.TwinResponse
	}{
		{"$iothub/twin/res/200/?$rid=126f0705", iothub.TwinResponse{Status: 200, RequestID: "126f0705"}},
		{"$iothub/twin/res/204/?$rid=c4379be6&$version=2", iothub.TwinResponse{Status: 204, RequestID: "c4379be6", Version: 2}},
		{"$iothub/twin/res/429/?$rid=1", iothub.TwinResponse{Status: 429, RequestID: "1"}},
		{"$iothub/twin/res/204/?$rid=a%20b&$version=2", iothub.TwinResponse{Status: 204, RequestID: "a%20b", Version: 2}},
	} {
		got, err := iothub.ParseTwinResponse(test.topic)
		if err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v; want %+v", test.topic, got, err, test.want)
		}
		if got.Topic() != test.topic {
			t.Errorf("round trip: %s became %s", test.topic, got.Topic())
		}
	}

	refuse(t, func(topic string) error { _, err := iothub.ParseTwinResponse(topic); return err },
		"", "$iothub/twin/res/", "$iothub/twin/res/ok/?$rid=1", "$iothub/twin/res/200/",
		"$iothub/twin/res/204/?$rid=1&$version=new", "$iothub/twin/res/204/?$version=2")
}

func TestParseDesired(t *testing.T) {
	t.Parallel()

	version, err := iothub.ParseDesired("$iothub/twin/PATCH/properties/desired/?$version=2")
	if err != nil || version != 2 {
		t.Errorf("got %d, %v; want 2", version, err)
	}
	refuse(t, func(topic string) error { _, err := iothub.ParseDesired(topic); return err },
		"", "$iothub/twin/PATCH/properties/desired/", "$iothub/twin/PATCH/properties/desired/?$version=",
		"$iothub/twin/PATCH/properties/desired/?$version=x", "$iothub/twin/PATCH/properties/desired/x?$version=2",
		"$iothub/twin/PATCH/properties/reported/?$version=2")
}

func TestParseEvent(t *testing.T) {
	t.Parallel()

	bag := iothub.Bag{{"$.mid", "m 1"}, {"$.ct", "application/json"}, {"a b", "c&d"}}
	for _, test := range []struct {
		topic, device, module string
		bag                   iothub.Bag
	}{
		{"devices/d1/messages/events/%24.mid=m%201&%24.ct=application%2Fjson&a%20b=c%26d", "d1", "", bag},
		{"devices/d1/messages/events/", "d1", "", nil},
		{"devices/d1/messages/events", "d1", "", nil},
		{"devices/d1/modules/m1/messages/events/", "d1", "m1", nil},
		{"devices/d1/modules/m1/messages/events/%24.on=out/", "d1", "m1", iothub.Bag{{"$.on", "out"}}},
		{"devices/d1/messages/events/a=b/c", "d1", "", iothub.Bag{{"a", "b/c"}}},
		{"devices/modules/messages/events/", "modules", "", nil},
	} {
		device, module, bag, err := iothub.ParseEvent(test.topic)
		if err != nil || device != test.device || module != test.module || !reflect.DeepEqual(bag, test.bag) {
			t.Errorf("%s: got %q, %q, %q, %v", test.topic, device, module, bag, err)
		}
	}

	refuse(t, func(topic string) error { _, _, _, err := iothub.ParseEvent(topic); return err },
		"", "devices", "devices/d1", "devices/d1/messages", "devices//messages/events/", "devices/d1/messages/eventsX",
		"devices/d1/messages/devicebound/", "devices/d1/modules/m1", "devices/d1/modules//messages/events/",
		"devices//modules/m1/messages/events/", "/devices/d1/messages/events/", "$iothub/methods/res/200/?$rid=1",
		"devices/d1/messages/events/%zz=1")
}

// refuse checks that the function parse refuses each of the topics. Each error must be
// one line.
func refuse(t *testing.T, parse func(topic string) error, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		err := parse(topic)
		if err == nil {
			t.Errorf("%q was accepted; want an error", topic)
			continue
		}
		checkErrorText(t, err)
		if !strings.HasPrefix(err.Error(), "topic: ") && !strings.HasPrefix(err.Error(), "property bag: ") {
			t.Errorf("%q: the error %q does not name the topic", topic, err)
		}
	}
}
