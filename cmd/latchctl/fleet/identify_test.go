package fleet

import (
	"encoding/json"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// TestIdentify checks that a scheduled command of a door names the technician, unless its
// payload already names a person or is no object.
func TestIdentify(t *testing.T) {
	for _, tt := range []struct{ method, payload, by, want string }{
		{LockDoor, ``, "ada@bench", `{"by":"ada@bench"}`},
		{LockDoor, `null`, "ada@bench", `{"by":"ada@bench"}`},
		{UnlockDoor, `{"reason":"drill","forSeconds":30}`, "ada@bench", `{"by":"ada@bench","forSeconds":30,"reason":"drill"}`},
		{"LockDoor", ``, "ada@bench", `{"by":"ada@bench"}`},
		{UnlockDoor, `{"by":"the night shift"}`, "ada@bench", `{"by":"the night shift"}`},
		{UnlockDoor, `{"reason":"drill"}`, "", `{"reason":"drill"}`},
		{UnlockDoor, ``, "", ``},
		{LockDoor, `["drill"]`, "ada@bench", `["drill"]`},
		{LockDoor, `"drill"`, "ada@bench", `"drill"`},
		{"ping", `{"n":1}`, "ada@bench", `{"n":1}`},
		{"ping", ``, "ada@bench", ``},
	} {
		m := iothub.MethodRequest{MethodName: tt.method, Payload: json.RawMessage(tt.payload)}
		if got := Identify(m, tt.by); string(got) != tt.want {
			t.Errorf("%s %s by %q: %s, want %s", tt.method, tt.payload, tt.by, got, tt.want)
		}
	}
}

// TestIdentifyAgain checks that a retried command names the technician who retries it,
// and names nobody with identify = false.
func TestIdentifyAgain(t *testing.T) {
	for _, tt := range []struct{ method, payload, by, want string }{
		{LockDoor, `{"reason":"night","by":"ada@bench","whenClosed":true}`, "bob@bench", `{"by":"bob@bench","reason":"night","whenClosed":true}`},
		{UnlockDoor, `{"by":"ada@bench","forSeconds":30}`, "", `{"forSeconds":30}`},
		{UnlockDoor, `{"forSeconds":30}`, "bob@bench", `{"forSeconds":30}`},
		{LockDoor, `null`, "bob@bench", `null`},
		{LockDoor, `["by"]`, "bob@bench", `["by"]`},
		{"ping", `{"by":"ada@bench"}`, "bob@bench", `{"by":"ada@bench"}`},
	} {
		m := iothub.MethodRequest{MethodName: tt.method, Payload: json.RawMessage(tt.payload)}
		if got := IdentifyAgain(m, tt.by); string(got) != tt.want {
			t.Errorf("%s %s by %q: %s, want %s", tt.method, tt.payload, tt.by, got, tt.want)
		}
	}
}
