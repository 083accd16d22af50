package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// fitting describes a door for the scenarios. The zero value is a lock of mode hold
// with a bolt sensor, a door sensor, and an exit input that unlocks.
type fitting struct {
	mode       actuator.Mode
	atPowerOn  actuator.Position // locked if empty
	last       bool              // at_power_on = "last"
	noBolt     bool              // there is no bolt sensor
	noDoor     bool              // there is no door sensor
	manual     bool              // a handle opens the locked door
	shunt      bool              // the exit input only announces an opening
	close      bool              // relock = "close"
	autoRelock int64             // seconds
	heldOpen   int64             // seconds
	noEgress   bool
	fault      mock.Fault
}

// rig is a gateway with a simulated door, the agent's real lock goroutine and its real
// store and log of events, connected to a simulated hub. Its clock is the test's.
type rig struct {
	t       *testing.T
	fitting fitting
	dir     string
	driver  *mock.Driver
	hub     *hub
	boots   int
	began   time.Time
	version int // of the desired properties

	agent      *Agent
	endProcess func() // nil while the agent is down
	endLink    func() // nil while the gateway is offline

	answers []string // of the methods
	events  []string // that the hub has received
}

func newRig(t *testing.T, f fitting) *rig {
	t.Helper()
	r := &rig{t: t, fitting: f, dir: t.TempDir(), hub: newHub(newTwin), boots: 1, began: time.Now(), version: 1}
	r.driver = mock.New(mock.Config{Travel: 100 * time.Millisecond, Fault: f.fault, Door: !f.noDoor, Exit: true}, actuator.Locked)
	r.start(false)
	r.connect()
	time.Sleep(5 * time.Second) // past the first request of the line and the minimum interval
	r.collect()
	r.events = nil
	return r
}

// scenarioDriver is a mock driver for the door that a fitting describes.
type scenarioDriver struct {
	*mock.Driver
	noBolt bool
	kept   actuator.Position // the level of a line that was kept open; empty if none was
}

func (d scenarioDriver) Open(level actuator.Position) (actuator.Position, bool, error) {
	if d.kept != "" {
		return d.kept, true, nil
	}
	return d.Driver.Open(level)
}

func (d scenarioDriver) Bolt() <-chan actuator.Reading {
	if d.noBolt {
		return nil
	}
	return d.Driver.Bolt()
}

// start starts the agent. warm means that the previous process has kept the line open.
func (r *rig) start(warm bool) {
	r.t.Helper()
	store, err := OpenStore(r.dir, zap.NewNop())
	if err != nil {
		r.t.Fatal(err)
	}
	log := events.Open(r.dir, events.DefaultLimits, zap.NewNop())
	record := store.Get().Lock

	f := r.fitting
	driver := scenarioDriver{Driver: r.driver, noBolt: f.noBolt}
	if warm && f.mode != actuator.Pulse {
		driver.kept = record.Level
	}
	atPowerOn := cmp.Or(f.atPowerOn, actuator.Locked)
	if f.last || f.mode == actuator.Pulse {
		atPowerOn = ""
	}
	clock := actuator.Clock{
		Now: time.Now, Uptime: func() time.Duration { return time.Hour + time.Since(r.began) }, BootID: fmt.Sprint("boot-", r.boots),
	}
	lock := actuator.New(actuator.Config{
		Mode: f.mode, AtPowerOn: atPowerOn, ConfirmTimeout: 4 * time.Second, MinInterval: time.Second,
		Pulse: 3 * time.Second, MaxEnergised: 10 * time.Second,
		RelockOnClose: f.close, Settle: time.Second, ExitTime: 5 * time.Second, Manual: f.manual, ExitShunts: f.shunt,
	}, driver, Recorder{store, log}, record, clock, zap.NewNop())
	r.agent = New(Config{
		Driver: "mock", Mode: cmp.Or(f.mode, actuator.Hold), MaxEnergised: 10 * time.Second, Egress: !f.noEgress,
		Defaults: Settings{AutoRelockSeconds: f.autoRelock, HeldOpenSeconds: f.heldOpen},
		Version:  "1.2.3", BootID: clock.BootID, Events: log, Now: time.Now, Log: zap.NewNop(),
	}, lock, store)

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { lock.Run(ctx) })
	running.Go(func() { r.agent.Run(ctx) })
	r.endProcess = func() {
		stop()
		running.Wait()
		log.Close()
		store.Close()
	}
}

// connect connects the gateway to the hub.
func (r *rig) connect() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.agent.Serve(ctx, r.hub); close(ended) }()
	r.endLink = func() {
		stop()
		<-ended
	}
}

// stop ends the agent, as a restart of the service or a power cut does.
func (r *rig) stop() {
	if r.endLink != nil {
		r.endLink()
	}
	if r.endProcess != nil {
		r.endProcess()
	}
	r.endLink, r.endProcess = nil, nil
}

// resume starts the agent again. The sensors deliver their present state first.
func (r *rig) resume(warm bool) {
	for _, input := range mock.Inputs {
		r.driver.SetReadable(input, false)
		for range 20 {
			select {
			case <-r.driver.Bolt():
			case <-r.driver.Door():
			case <-r.driver.Exit():
			default:
			}
		}
	}
	for _, input := range mock.Inputs {
		r.driver.SetReadable(input, true)
	}
	r.start(warm)
	r.connect()
}

// do carries out one step of a scenario: a word and its arguments.
func (r *rig) do(step string) {
	r.t.Helper()
	word, rest, _ := strings.Cut(step, " ")
	var err error
	switch word {
	case "lockDoor", "unlockDoor":
		status, answer := r.hub.call(r.t, word, rest)
		r.answer(status, answer)
	case "local", "override": // a method of somebody at the gateway
		name, payload, _ := strings.Cut(rest, " ")
		invoke := r.agent.Invoke
		if word == "override" {
			invoke = r.agent.InvokeOverridingLockdown
		}
		status, answer := invoke(r.t.Context(), iothub.Method{Name: name, Payload: []byte(payload)})
		r.answer(status, text(r.t, answer))

	case "begin": // a method whose answer comes later
		name, payload, _ := strings.Cut(rest, " ")
		r.hub.methods <- iothub.Method{RequestID: "1", Name: name, Payload: []byte(payload)}

	case "open":
		err = r.driver.OpenDoor()
	case "pry": // opens the door although it is locked, as a burglar or a handle does
		err = r.driver.PryDoor()
	case "close":
		err = r.driver.CloseDoor()
	case "exit":
		err = r.driver.PressExit()
		time.Sleep(200 * time.Millisecond)
		r.driver.ReleaseExit()
	case "press":
		err = r.driver.PressExit()
	case "release":
		err = r.driver.ReleaseExit()
	case "turn": // turns the bolt by hand
		r.driver.Force(actuator.Position(rest))
	case "blind": // the door sensor cannot be read
		err = r.driver.SetReadable(mock.DoorSensor, false)
	case "flutter": // a loose contact of the door sensor
		for range 50 {
			r.driver.PryDoor()
			time.Sleep(2 * time.Millisecond)
			r.driver.CloseDoor()
			time.Sleep(2 * time.Millisecond)
		}

	case "wait":
		var d time.Duration
		d, err = time.ParseDuration(rest)
		time.Sleep(d)
	case "desire":
		r.desire(rest)
	case "offline":
		r.endLink()
		r.endLink = nil
	case "online":
		r.connect()
	case "stop":
		r.stop()
	case "start": // of the service: the line was kept open
		r.resume(true)
	case "boot": // after a power cut
		r.boots++
		r.resume(false)
	default:
		r.t.Fatalf("unknown step %q", step)
	}
	if err != nil {
		r.t.Fatalf("%s: %v", step, err)
	}

	time.Sleep(300 * time.Millisecond) // longer than the bolt travels
	r.collect()
}

// answer notes the answer of a method: its status and what it says besides the position.
func (r *rig) answer(status int, answer string) {
	var a struct {
		Pending string
		Held    bool
		Changed bool
		Error   struct{ Code string }
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		r.t.Fatalf("answer %s: %v", answer, err)
	}

	words := []string{fmt.Sprint(status)}
	add := func(present bool, word string) {
		if present {
			words = append(words, word)
		}
	}
	add(a.Error.Code != "", a.Error.Code)
	add(a.Pending != "", "pending "+a.Pending)
	add(a.Held, "held")
	add(status == 200 && !a.Changed, "unchanged")
	r.answers = append(r.answers, strings.Join(words, " "))
}

// desire changes desired properties in the hub, which tells the gateway if it is online.
func (r *rig) desire(properties string) {
	r.version++
	change := object(r.t, properties)
	change["$version"] = json.Number(fmt.Sprint(r.version))

	r.hub.mu.Lock()
	r.hub.twin.Desired = r.hub.twin.Desired.Merge(change)
	r.hub.twin.Desired["$version"] = change["$version"]
	r.hub.mu.Unlock()
	if r.endLink != nil {
		r.hub.desired <- change
	}
}

// collect takes the messages and reports that the hub has received.
func (r *rig) collect() {
	synctest.Wait()
	for {
		select {
		case m := <-r.hub.messages:
			var e events.Event
			if err := json.Unmarshal(m.Body, &e); err != nil {
				r.t.Fatal(err)
			}
			if e.Kind != events.Started {
				r.events = append(r.events, describe(e))
			}
		case a := <-r.hub.answers:
			r.answer(a.Status, string(a.Payload))
		case <-r.hub.reports:
		case <-r.hub.fetched:
		default:
			return
		}
	}
}

// describe returns an event in short: its kind and, in brackets, what is special.
func describe(e events.Event) string {
	var words []string
	add := func(present bool, word string) {
		if present {
			words = append(words, word)
		}
	}
	add(e.Name != "", e.Name)
	add(e.Origin != "" && e.Name != "", e.Origin)
	add(e.By != "", "by "+e.By)
	add(e.Status != 0, fmt.Sprint(e.Status))
	add(e.Code != "", e.Code)
	add(e.Pending != "", "pending "+e.Pending)
	add(e.Cause != "", e.Cause)
	add(e.Unseen, "unseen")
	add(e.OpenSeconds != 0, fmt.Sprint(e.OpenSeconds, "s"))
	add(e.Count != 0, fmt.Sprint("x", e.Count))

	if len(words) == 0 {
		return e.Kind
	}
	return fmt.Sprintf("%s(%s)", e.Kind, strings.Join(words, " "))
}

// twin returns the reported property at a dotted path, or "none".
func (r *rig) twin(path string) string {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	var value any = map[string]any(r.hub.twin.Reported)
	for name := range strings.SplitSeq(path, ".") {
		o, _ := value.(map[string]any)
		value = o[name]
	}
	if value == nil {
		return "none"
	}
	return fmt.Sprint(value)
}

// view returns what a technician needs to know of the door, from its twin.
func (r *rig) view() string {
	is := func(path string) bool { return r.twin(path) == "true" }
	words := []string{r.twin("lock.position")}
	add := func(present bool, word string) {
		if present {
			words = append(words, word)
		}
	}

	if is("lock.secured") {
		words[0] = "safe"
	}
	add(is("lock.hold"), "held unlocked")
	add(r.twin("lock.releasedUntil") != "none", "for a while")
	add(is("door.open"), "door open")
	add(is("lock.pending"), "locks when closed")
	add(is("lock.lockdown"), "lockdown")
	add(is("door.heldOpen"), "HELD OPEN")
	add(is("door.forced"), "FORCED")
	add(is("door.exitStuck"), "EXIT STUCK")
	return strings.Join(words, ", ")
}
