package feed

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// The kinds of events.
const (
	telemetry = "telemetry"
	twin      = "twin"
	lifecycle = "lifecycle"
	job       = "job"
)

var kinds = []string{telemetry, twin, lifecycle, job}

// maxReaders is how many can listen at a time.
const maxReaders = 32

// Feed takes events and hands them to those who listen. Its methods may be called
// from any goroutine and do not block.
type Feed struct {
	now func() time.Time

	wanted [4]atomic.Int32 // by the place in kinds: how many listen to it

	mu      sync.Mutex
	readers map[*reader]struct{}
	closed  bool
}

// New makes a feed that nobody listens to.
func New(now func() time.Time) *Feed {
	return &Feed{now: now, readers: make(map[*reader]struct{})}
}

// Close ends all listening.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for r := range f.readers {
		r.end("the hub is stopping")
	}
}

type telemetryEvent struct {
	Time       time.Time         `json:"time"`
	DeviceID   string            `json:"deviceId"`
	Properties map[string]string `json:"properties"`
	Body       json.RawMessage   `json:"body,omitempty"`
	Text       *string           `json:"text,omitempty"`
	Base64     []byte            `json:"base64,omitempty"`
}

// Telemetry tells of a message of a device.
func (f *Feed) Telemetry(deviceID string, bag iothub.Bag, payload []byte) {
	if !f.listening(telemetry) {
		return
	}
	e := telemetryEvent{Time: f.now().UTC(), DeviceID: deviceID, Properties: make(map[string]string, len(bag))}
	for _, p := range bag {
		e.Properties[p.Name] = p.Value
	}
	switch {
	case iothub.ValidJSON(payload):
		e.Body = payload
	case utf8.Valid(payload):
		text := string(payload)
		e.Text = &text
	default:
		e.Base64 = payload
	}
	f.publish(telemetry, "", e)
}

type twinEvent struct {
	Time      time.Time   `json:"time"`
	DeviceID  string      `json:"deviceId"`
	Operation string      `json:"operation"`
	Twin      changedTwin `json:"twin"`
}

type changedTwin struct {
	Version    int64         `json:"version,omitempty"`
	Tags       iothub.Object `json:"tags,omitzero"`
	Properties struct {
		Desired  iothub.Object `json:"desired,omitzero"`
		Reported iothub.Object `json:"reported,omitzero"`
	} `json:"properties"`
}

type lifecycleEvent struct {
	Time      time.Time `json:"time"`
	DeviceID  string    `json:"deviceId"`
	Operation string    `json:"operation"`
}

// Change tells of what was stored of a device.
func (f *Feed) Change(c store.Change) {
	switch c.Operation {
	case store.TwinUpdated, store.TwinReplaced:
		if !f.listening(twin) {
			return
		}
		e := twinEvent{Time: c.At.UTC(), DeviceID: c.DeviceID, Operation: string(c.Operation)}
		e.Twin.Version, e.Twin.Tags = c.Version, c.Tags
		e.Twin.Properties.Desired, e.Twin.Properties.Reported = c.Desired, c.Reported
		f.publish(twin, "", e)
	default:
		if f.listening(lifecycle) {
			f.publish(lifecycle, "", lifecycleEvent{c.At.UTC(), c.DeviceID, string(c.Operation)})
		}
	}
}

type jobEvent struct {
	Time time.Time  `json:"time"`
	Job  iothub.Job `json:"job"`
}

// Job tells how a job stands.
func (f *Feed) Job(j iothub.Job) {
	if !f.listening(job) {
		return
	}
	j.CloudToDeviceMethod, j.UpdateTwin = nil, nil
	f.publish(job, j.JobID, jobEvent{f.now().UTC(), j})
}

func (f *Feed) listening(kind string) bool {
	return f.wanted[slices.Index(kinds, kind)].Load() > 0
}

// publish hands an event to all who listen to its kind. Of events with the same
// key only the latest counts.
func (f *Feed) publish(kind, key string, event any) {
	made := frame(kind, event)
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		if slices.Contains(r.kinds, kind) {
			r.add(key, made)
		}
	}
}

// frame makes an event as it goes out: its data is one line.
func frame(name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		text = []byte(`{"error":"the event cannot be shown"}`) // it cannot happen: all of it comes from JSON
	}
	var b bytes.Buffer
	b.Grow(len(name) + len(text) + 16)
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(text)
	b.WriteString("\n\n")
	return b.Bytes()
}

// parseKinds reads what a listener asks for: names with commas between them, or
// nothing for all.
func parseKinds(values []string) ([]string, error) {
	var wanted []string
	for _, name := range strings.Split(strings.Join(values, ","), ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case !slices.Contains(kinds, name):
			return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "kind is %q, it can be %s", name, strings.Join(kinds, ", "))
		case !slices.Contains(wanted, name):
			wanted = append(wanted, name)
		}
	}
	if wanted == nil {
		return kinds, nil
	}
	return wanted, nil
}
