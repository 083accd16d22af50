package agent

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// A flood of methods with large payloads and names must write little to the log. The
// records of the door's motions must survive the flood.
func TestFloodOfMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		d, h := newDoor(t, "", mock.None, actuator.Locked), newHub(newTwin)
		synctest.Wait() // the door's goroutines are idle, so the log can be replaced
		d.config.Log = zap.New(core)
		d.remote = logtext.Remote(d.config.Log)
		d.serve(t, h)

		large := fmt.Sprintf("%q", strings.Repeat("x", 130_000))
		id := 0
		call := func(name, payload string) {
			id++
			h.methods <- iothub.Method{RequestID: fmt.Sprint(id), Name: name, Payload: []byte(payload)}
			<-h.answers
		}
		for n := range 200 {
			call("ping", large)
			call(strings.Repeat("m", 60_000), "null")
			call("unlockDoor", `{"forSeconds":-1}`)
			call("lockDoor", large)
			if n == 100 {
				call("unlockDoor", fmt.Sprintf(`{"reason":%q}`, strings.Repeat("r", MaxReason)))
				time.Sleep(time.Second)
				call("lockDoor", `{"reason":"end"}`)
				time.Sleep(time.Second)
			}
		}

		size := 0
		var motions []string
		for _, e := range logs.All() {
			size += entrySize(t, e)
			if fields := e.ContextMap(); e.Message == "the lock has ended a command" && fields["reason"] != "" {
				motions = append(motions, fmt.Sprint(fields["method"], " ", fields["status"]))
			}
		}
		if size > 100_000 {
			t.Errorf("the log has %d bytes after %d methods", size, id)
		}
		if want := "[unlockDoor 200 lockDoor 200]"; fmt.Sprint(motions) != want {
			t.Errorf("the log records the motions %v, want %s", motions, want)
		}
		t.Logf("%d entries with %d bytes after %d methods", logs.Len(), size, id)
	})
}

// entrySize returns the size of a log entry in JSON.
func entrySize(t *testing.T, e observer.LoggedEntry) int {
	t.Helper()
	text, err := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()).EncodeEntry(e.Entry, e.Context)
	if err != nil {
		t.Fatal(err)
	}
	return text.Len()
}
