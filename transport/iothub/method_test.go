package iothub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestMethodRequestCheck(t *testing.T) {
	t.Parallel()

	payload := func(n int) json.RawMessage { return bytes.Repeat([]byte("1"), n) }
	for _, test := range []struct {
		name string
		m    iothub.MethodRequest
		want string // expected part of the error; empty if no error is expected
	}{
		{"a name is enough", iothub.MethodRequest{MethodName: "lockDoor"}, ""},
		{"all at their bounds", iothub.MethodRequest{MethodName: strings.Repeat("m", 100), Payload: payload(128 << 10),
			ResponseTimeoutInSeconds: 300, ConnectTimeoutInSeconds: 300}, ""},
		{"shortest answer time", iothub.MethodRequest{MethodName: "m", ResponseTimeoutInSeconds: 5}, ""},
		{"no name", iothub.MethodRequest{}, "name is empty"},
		{"name too long", iothub.MethodRequest{MethodName: strings.Repeat("m", 101)}, "101 characters; at most 100"},
		{"answer time too short", iothub.MethodRequest{MethodName: "m", ResponseTimeoutInSeconds: 4}, "response timeout is 4 s; want 5 to 300 s"},
		{"answer time too long", iothub.MethodRequest{MethodName: "m", ResponseTimeoutInSeconds: 301}, "response timeout is 301 s"},
		{"answer time negative", iothub.MethodRequest{MethodName: "m", ResponseTimeoutInSeconds: -1}, "response timeout is -1 s"},
		{"connect time too long", iothub.MethodRequest{MethodName: "m", ConnectTimeoutInSeconds: 301}, "connect timeout is 301 s; want 0 to 300 s"},
		{"connect time negative", iothub.MethodRequest{MethodName: "m", ConnectTimeoutInSeconds: -1}, "connect timeout is -1 s"},
		{"payload too large", iothub.MethodRequest{MethodName: "m", Payload: payload(128<<10 + 1)}, "131073 bytes; at most 131072"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.m.Check()
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want it to contain %q", err, test.want)
			}
		})
	}
}

// A valid method name must be the same after it was part of a topic. It therefore
// contains no separators, no wildcards and nothing that a client or hub would decode.
func TestCheckMethodName(t *testing.T) {
	t.Parallel()

	for _, name := range []string{"lockDoor", "lock-door_2.x", "$edge:~!()*'@"} {
		if err := iothub.CheckMethodName(name); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		got, rid, err := iothub.ParseMethodRequest(iothub.MethodRequestTopic(name, "1"))
		if err != nil || got != name || rid != "1" {
			t.Errorf("%q came through the topic as %q, %q, %v", name, got, rid, err)
		}
	}

	for _, name := range []string{"", "a/b", "a#", "+", "a?b", "a%41", "a&b", "a b", "a\n", "a\x00", "a\x7f", "é"} {
		err := iothub.CheckMethodName(name)
		if err == nil {
			t.Errorf("%q was accepted; want an error", name)
			continue
		}
		checkErrorText(t, err)
	}
}

func TestMethodResponseOnTheWire(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		response iothub.MethodResponse
		want     string
	}{
		{iothub.MethodResponse{Status: 200}, `{"status":200,"payload":null}`},
		{iothub.MethodResponse{Status: 500, Payload: json.RawMessage(`{"ok":1.10}`)}, `{"status":500,"payload":{"ok":1.10}}`},
	} {
		if got := toJSON(t, test.response); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
