package agent

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// bareAgent returns an agent without a lock, whose default autoRelockSeconds is 7.
func bareAgent(t testing.TB) *Agent {
	store, err := OpenStore("", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Defaults: Settings{AutoRelockSeconds: 7}, Now: time.Now, Log: zap.NewNop()}, nil, store)
}

func TestCommandPayloads(t *testing.T) {
	a := bareAgent(t)
	seven := 7 * time.Second
	for _, tc := range []struct {
		method, payload string
		relock          time.Duration
		wrong           string // part of the error; empty if the payload is accepted
	}{
		{"unlockDoor", ``, seven, ""},
		{"unlockDoor", ` null `, seven, ""},
		{"unlockDoor", `{}`, seven, ""},
		{"unlockDoor", `{"forSeconds":null,"reason":null}`, seven, ""},
		{"unlockDoor", `{"forSeconds":1}`, time.Second, ""},
		{"unlockDoor", `{"forSeconds":86400}`, MaxUnlock, ""},
		{"unlockDoor", `{"forSeconds":30.0}`, 30 * time.Second, ""}, // JSON may write a whole number with a fraction of zero
		{"unlockDoor", `{"forSeconds":1e1}`, 10 * time.Second, ""},
		{"unlockDoor", `{"forSeconds":0}`, 0, "forSeconds is 0; want 1 to 86400"},
		{"unlockDoor", `{"forSeconds":86401}`, 0, "forSeconds is 86401"},
		{"unlockDoor", `{"forSeconds":-1}`, 0, "forSeconds is -1"},
		{"unlockDoor", `{"forSeconds":1.5}`, 0, "forSeconds: want a whole number"},
		{"unlockDoor", `{"forSeconds":1e400}`, 0, "forSeconds: want a whole number"},
		{"unlockDoor", `{"forSeconds":9223372036854775808}`, 0, "forSeconds: want a whole number"},
		{"unlockDoor", `{"forSeconds":"30"}`, 0, "forSeconds: want a whole number, not a string"},
		{"unlockDoor", `{"forSeconds":1,"forSeconds":86400}`, 0, "has the member forSeconds twice"},
		{"unlockDoor", `{"forSeconds":null,"forSeconds":1}`, 0, "has the member forSeconds twice"},
		{"unlockDoor", `{"ForSeconds":1}`, 0, `unknown member "ForSeconds" in the payload; this method takes reason, forSeconds`},
		{"lockDoor", `{"forSeconds":1}`, 0, `unknown member "forSeconds" in the payload; this method takes reason`},
		{"lockDoor", `{"reason":"` + strings.Repeat("é", 512) + `"}`, 0, ""},
		{"lockDoor", `{"reason":"` + strings.Repeat("é", 513) + `"}`, 0, "reason has 513 characters; at most 512 are allowed"},
		{"lockDoor", "{\"reason\":\"\xff\"}", 0, "the payload is not UTF-8"},
		{"lockDoor", `{"reason":` + strings.Repeat("[", 100_000), 0, "cannot read the payload as JSON"},
		{"lockDoor", `{"` + strings.Repeat("x", 100_000) + `":1}`, 0, `x" in the payload; this method takes reason`},
		{"lockDoor", `{`, 0, "cannot read the payload as JSON: unexpected EOF"},
		{"lockDoor", `{"reason":"a"`, 0, "cannot read the payload as JSON: unexpected EOF"},
		{"lockDoor", `{"reason":"a",}`, 0, "cannot read the payload as JSON"},
		{"lockDoor", `{"reason" "a"}`, 0, "cannot read the payload as JSON"},
		{"lockDoor", `{}null`, 0, "text after the object"},
		{"lockDoor", `{}}`, 0, "text after the object"},
	} {
		c, err := a.parseCommand(iothub.Method{Name: tc.method, Payload: []byte(tc.payload)})
		switch {
		case tc.wrong == "" && (err != nil || c.For != tc.relock):
			t.Errorf("%s %.60s: relock %s, %v; want %s", tc.method, tc.payload, c.For, err, tc.relock)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong) || len(err.Error()) > 300):
			t.Errorf("%s %.60s: %v; want %s", tc.method, tc.payload, err, tc.wrong)
		}
	}
}

// Every accepted payload yields a command within the bounds; every other payload is
// an error.
func FuzzCommandPayload(f *testing.F) {
	for _, seed := range []string{``, `null`, `{}`, `{"reason":"night","forSeconds":30}`, `{"forSeconds":1e1}`,
		`{"reason":"a","reason":"b"}`, `{"Reason":1} x`, `[[[`, "{\"reason\":\"\xff\"}"} {
		f.Add("lockDoor", []byte(seed))
		f.Add("unlockDoor", []byte(seed))
	}

	a := bareAgent(f)
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		if name != "lockDoor" {
			name = "unlockDoor"
		}

		c, err := a.parseCommand(iothub.Method{Name: name, Payload: payload})
		if err != nil {
			return
		}

		if (c.Target == actuator.Locked) != (name == "lockDoor") {
			t.Errorf("%s has the target %s", name, c.Target)
		}
		if c.For < 0 || c.For > MaxUnlock || name == "lockDoor" && c.For != 0 {
			t.Errorf("%s relocks after %s", name, c.For)
		}
		if !utf8.ValidString(c.Reason) || utf8.RuneCountInString(c.Reason) > MaxReason {
			t.Errorf("reason %q", c.Reason)
		}
	})
}
