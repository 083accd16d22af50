package iothub

import "testing"

// The first topic is the one that the official Node SDK uses for the same message.
func TestMessageTopic(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, device, module string
		message              Message
		want                 string
	}{
		{"all", "d1", "", Message{ID: "m 1", ContentType: "application/json", Properties: Bag{{"a b", "c&d"}}},
			"devices/d1/messages/events/%24.mid=m%201&%24.ct=application%2Fjson&a%20b=c%26d"},
		{"nothing", "d1", "", Message{}, "devices/d1/messages/events/"},
		{"a module's", "d1", "m1", Message{ContentEncoding: "utf-8"}, "devices/d1/modules/m1/messages/events/%24.ce=utf-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.message.Topic(test.device, test.module)
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			device, module, bag, err := ParseEvent(got)
			if err != nil || device != test.device || module != test.module || len(bag) != len(test.message.Bag()) {
				t.Errorf("parsed as %s, %s, %v, %v", device, module, bag, err)
			}
		})
	}
}
