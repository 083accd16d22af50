package agent

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
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
		{"unlockDoor", `{"ForSeconds":1}`, 0, `unknown member "ForSeconds" in the payload; this method takes reason, by, forSeconds, hold`},
		{"unlockDoor", `{"whenClosed":true}`, 0, `unknown member "whenClosed" in the payload; this method takes reason`},
		{"unlockDoor", `""`, seven, ""},
		{"unlockDoor", `"now"`, 0, "the payload is neither null nor an object"},
		{"unlockDoor", `{"hold":true}`, 0, ""},
		{"unlockDoor", `{"hold":false}`, seven, ""},
		{"unlockDoor", `{"hold":false,"forSeconds":3}`, 3 * time.Second, ""},
		{"unlockDoor", `{"hold":true,"forSeconds":3}`, 0, "hold and forSeconds exclude each other; give one of them"},
		{"unlockDoor", `{"hold":"yes"}`, 0, "hold: want true or false, not a string"},
		{"unlockDoor", `{"by":7}`, 0, "by: want a string, not a number"},
		{"unlockDoor", `{"by":"` + strings.Repeat("é", 32) + `"}`, seven, ""},
		{"unlockDoor", `{"by":"` + strings.Repeat("é", 33) + `"}`, 0, "the member by has 66 bytes; at most 64 are allowed"},
		{"unlockDoor", `{"reason":"` + strings.Repeat("é", 512) + `"}`, seven, ""},
		{"unlockDoor", `{"reason":"` + strings.Repeat("é", 513) + `"}`, 0, "the member reason has 513 characters; at most 512 are allowed"},
		{"unlockDoor", "{\"reason\":\"\xff\"}", 0, "the payload is not UTF-8"},
		{"unlockDoor", `{"reason":` + strings.Repeat("[", 100_000), 0, "cannot read the payload as JSON"},
		{"unlockDoor", `{"` + strings.Repeat("x", 100_000) + `":1}`, 0, `x" in the payload; this method takes reason`},
		{"unlockDoor", `{`, 0, "cannot read the payload as JSON: unexpected EOF"},
		{"unlockDoor", `{"reason":"a"`, 0, "cannot read the payload as JSON: unexpected EOF"},
		{"unlockDoor", `{"reason":"a",}`, 0, "cannot read the payload as JSON"},
		{"unlockDoor", `{"reason" "a"}`, 0, "cannot read the payload as JSON"},
		{"unlockDoor", `{}null`, 0, "text after the object"},
		{"unlockDoor", `{}}`, 0, "text after the object"},
	} {
		c, err := a.parseUnlock([]byte(tc.payload))
		switch {
		case tc.wrong == "" && (err != nil || c.For != tc.relock):
			t.Errorf("%s %.60s: relock %s, %v; want %s", tc.method, tc.payload, c.For, err, tc.relock)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong) || len(err.Error()) > 300):
			t.Errorf("%s %.60s: %v; want %s", tc.method, tc.payload, err, tc.wrong)
		}
	}
}

// Nothing in its payload makes lockDoor fail. The answer names what was not understood.
func TestLockDoorAcceptsEveryPayload(t *testing.T) {
	long := strings.Repeat("é", 600)
	for _, tc := range []struct {
		payload    string
		by, reason string
		whenClosed bool
		ignored    string
	}{
		{payload: ``},
		{payload: ` null `},
		{payload: `""`},
		{payload: `{}`},
		{payload: `{"reason":null,"by":null,"whenClosed":null}`},
		{payload: `{"reason":"night","by":"ann","whenClosed":true}`, reason: "night", by: "ann", whenClosed: true},
		{payload: `{"whenClosed":false}`},
		{payload: `{"whenClosed":"yes","reason":7,"by":["a"]}`, ignored: "by reason whenClosed"},
		{payload: `{"reason":"night","force":true,"forSeconds":3}`, reason: "night", ignored: "forSeconds force"},
		{payload: `{"Reason":"night"}`, ignored: "Reason"},
		{payload: `{"reason":"` + long + `"}`, reason: long[:2*MaxReason], ignored: "reason"},
		{payload: `{"by":"x` + long + `"}`, by: "x" + long[:62], ignored: "by"},
		{payload: `"now"`, ignored: "payload"},
		{payload: `"{\"lockTime\":\"10m\"}"`, ignored: "payload"}, // the Python edition of the jobs tutorial
		{payload: `{"lockTime":"10m"}`, ignored: "lockTime"},
		{payload: `[]`, ignored: "payload"},
		{payload: `7`, ignored: "payload"},
		{payload: `{"whenClosed":true,`, ignored: "payload"},
		{payload: `{} {}`, ignored: "payload"},
		{payload: `{"reason":` + strings.Repeat("[", 100_000), ignored: "payload"},
		{payload: "{\"reason\":\"\xff\"}", ignored: "payload"},
		{payload: `{"` + long + `":1}`, ignored: long[:64]},
		{payload: `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1}`, ignored: "a b c d e f g h"},
	} {
		c, ignored := parseLock([]byte(tc.payload))
		if c.Name != "lockDoor" || c.Target != actuator.Locked || c.For != 0 || c.Reason != tc.reason || c.By != tc.by || c.WhenClosed != tc.whenClosed {
			t.Errorf("%.60s: command %+v", tc.payload, c)
		}
		sort := strings.Fields(tc.ignored)
		slices.Sort(sort)
		if !slices.Equal(ignored, sort) {
			t.Errorf("%.60s: ignored %q, want %q", tc.payload, ignored, sort)
		}
	}
}

// Every payload of lockDoor, and every accepted payload of unlockDoor, yields a command
// within the bounds; every other payload of unlockDoor is an error.
func FuzzCommandPayload(f *testing.F) {
	for _, seed := range []string{``, `null`, `{}`, `{"reason":"night","forSeconds":30}`, `{"forSeconds":1e1}`,
		`{"reason":"a","reason":"b"}`, `{"Reason":1} x`, `[[[`, "{\"reason\":\"\xff\"}", `{"by":"é","hold":true,"whenClosed":1}`} {
		f.Add("lockDoor", []byte(seed))
		f.Add("unlockDoor", []byte(seed))
	}

	a := bareAgent(f)
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		c, ignored := parseLock(payload)
		if name != "lockDoor" {
			name = "unlockDoor"
			var err error
			if c, err = a.parseUnlock(payload); err != nil {
				return
			}
		}

		if (c.Target == actuator.Locked) != (name == "lockDoor") || c.Name != name {
			t.Errorf("%s has the target %s", name, c.Target)
		}
		if c.For < 0 || c.For > MaxUnlock || name == "lockDoor" && c.For != 0 {
			t.Errorf("%s relocks after %s", name, c.For)
		}
		if !utf8.ValidString(c.Reason) || utf8.RuneCountInString(c.Reason) > MaxReason {
			t.Errorf("reason %q", c.Reason)
		}
		if !utf8.ValidString(c.By) || len(c.By) > MaxBy {
			t.Errorf("by %q", c.By)
		}
		for _, name := range ignored {
			if len(name) > 64 || len(ignored) > 8 {
				t.Errorf("ignored %q", ignored)
			}
		}
	})
}
