package agent

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
)

// No reported text is longer than a hub accepts, wherever the text comes from. A hub
// refuses the whole report otherwise.
func TestReportedTextsAreBounded(t *testing.T) {
	a := bareAgent(t)
	long := strings.Repeat("\U0001F6AA", 10_000) // each character takes four bytes
	a.config.System = System{OS: long, Kernel: long, Model: long}
	a.lock = doorLock{&stillLock{}, actuator.Status{Fault: long, Last: &actuator.Last{Name: "lockDoor", Reason: long, At: time.Now()}}}
	a.link.Store(&linkInfo{lastError: long})

	var check func(path string, value any)
	check = func(path string, value any) {
		switch value := value.(type) {
		case string:
			if len(value) > 4096 {
				t.Errorf("%s has %d bytes", path, len(value))
			}
		case map[string]any:
			for name, v := range value {
				check(path+"."+name, v)
			}
		}
	}
	check("reported", map[string]any(normalize(a.reported())))
}

// fullStatus is a status in which every reported property of the lock and the door is set.
var fullStatus = actuator.Status{
	Position: actuator.Unlocked, Source: actuator.Sensor, Confirmed: true, ChangedAt: time.Now(), Secured: true,
	Hold: true, Pending: true, Lockdown: true, ReleaseEnd: time.Now(), Fault: "bad \xff\xfe byte",
	Last: &actuator.Last{Name: "lockDoor", Reason: "evening", At: time.Now()},
	Door: actuator.DoorOpen, DoorChangedAt: time.Now(), HeldOpen: true, Forced: true, LastForcedAt: time.Now(), ExitStuck: true,
}

// reportingAgent returns an agent in which every reported property is set, and its twin
// as the hub has it after the agent's report.
func reportingAgent(t testing.TB) (a *Agent, onHub iothub.Object) {
	t.Helper()
	a = bareAgent(t)
	a.config.System = System{OS: "Debian 12", Kernel: "6.1.0", Arch: "arm64", Model: "Pi 4", BootedAt: time.Now()}
	a.lock = doorLock{&stillLock{}, fullStatus}
	a.link.Store(&linkInfo{connectedAt: time.Now(), reconnects: 3, lastError: "lost"})
	a.state.Update(func(s *State) { s.LastReboot = &Reboot{At: time.Now(), Cause: "method"} }, func(error) {})
	a.applyDesired(iothub.Object{"$version": json.Number("7"), "building": "43", "floor": json.Number("3"), "lockdown": true,
		"telemetrySeconds": json.Number("60"), "logLevel": "loud"})

	return a, normalize(a.reported())
}

// normalize encodes o as JSON and decodes it again, as the hub does.
func normalize(o iothub.Object) iothub.Object {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}

	n, err := iothub.ParseObject(text)
	if err != nil {
		return iothub.Object{}
	}
	return n
}

// A patch has the values as the hub reads them, whatever their Go type, and the agent
// recognizes them in the twin.
func TestDifferenceRecognizesReportedValues(t *testing.T) {
	a, onHub := reportingAgent(t)
	if change := difference(iothub.Object{}, a.reported()); !reflect.DeepEqual(change, onHub) {
		t.Errorf("the first report is\n%#v\nwant\n%#v", change, onHub)
	}
	if change := difference(onHub, a.reported()); len(change) != 0 {
		t.Errorf("the difference is %v, want none", change)
	}
}

func BenchmarkDifference(b *testing.B) {
	a, onHub := reportingAgent(b)
	b.ReportAllocs()
	for b.Loop() {
		difference(onHub, a.reported())
	}
}
