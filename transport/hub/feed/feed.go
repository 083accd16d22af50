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

// maxListeners is the maximum number of clients that can listen to events at the same
// time.
const maxListeners = 32

// Feed distributes events to the clients that listen to them. Its methods may be called
// from any goroutine. Only Serve blocks.
type Feed struct {
	now func() time.Time

	// listenerCounts[i] is the number of clients that listen to events of kinds[i].
	listenerCounts [4]atomic.Int32

	mu        sync.Mutex
	listeners map[*listener]struct{}
	closed    bool
}

// New returns a feed to which no client listens yet.
func New(now func() time.Time) *Feed {
	return &Feed{now: now, listeners: make(map[*listener]struct{})}
}

// Close ends the streams of all clients and refuses new clients.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for l := range f.listeners {
		l.end("the hub is stopping")
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

// Telemetry reports a message from a device as an event. The bag holds the message's
// properties.
func (f *Feed) Telemetry(deviceID string, bag iothub.Bag, payload []byte) {
	if !f.hasListener(telemetry) {
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

// Change reports a stored change of a device as an event, of kind twin or lifecycle.
func (f *Feed) Change(c store.Change) {
	switch c.Operation {
	case store.TwinUpdated, store.TwinReplaced:
		if !f.hasListener(twin) {
			return
		}
		e := twinEvent{Time: c.At.UTC(), DeviceID: c.DeviceID, Operation: string(c.Operation)}
		e.Twin.Version, e.Twin.Tags = c.Version, c.Tags
		e.Twin.Properties.Desired, e.Twin.Properties.Reported = c.Desired, c.Reported
		f.publish(twin, "", e)
	default:
		if f.hasListener(lifecycle) {
			f.publish(lifecycle, "", lifecycleEvent{c.At.UTC(), c.DeviceID, string(c.Operation)})
		}
	}
}

type jobEvent struct {
	Time time.Time  `json:"time"`
	Job  iothub.Job `json:"job"`
}

// Job reports the current state of a job as an event.
func (f *Feed) Job(j iothub.Job) {
	if !f.hasListener(job) {
		return
	}
	j.CloudToDeviceMethod, j.UpdateTwin = nil, nil
	f.publish(job, j.JobID, jobEvent{f.now().UTC(), j})
}

// hasListener reports whether a client listens to events of the given kind. If not, the
// caller can save the work of building the event.
func (f *Feed) hasListener(kind string) bool {
	return f.listenerCounts[slices.Index(kinds, kind)].Load() > 0
}

// publish queues an event for every client that listens to its kind. If key is not
// empty, the event replaces a queued event with the same key.
func (f *Feed) publish(kind, key string, event any) {
	encoded := encodeEvent(kind, event)
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.listeners {
		if slices.Contains(l.kinds, kind) {
			l.add(key, encoded)
		}
	}
}

// encodeEvent returns an event in the format of server-sent events. The event's data is
// one line of JSON.
func encodeEvent(name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		// Encoding cannot fail: every value in an event was decoded from JSON.
		text = []byte(`{"error":"the event cannot be encoded as JSON"}`)
	}

	var b bytes.Buffer
	b.Grow(len(name) + len(text) + 16)
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(text)
	b.WriteString("\n\n")
	return b.Bytes()
}

// parseKinds reads the values of the query parameter kind. Each value is a list of kinds
// of events, separated by commas. If the parameter is missing, parseKinds returns all
// kinds.
func parseKinds(values []string) ([]string, error) {
	var wanted []string
	for _, name := range strings.Split(strings.Join(values, ","), ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case !slices.Contains(kinds, name):
			return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "unknown kind %q: use %s", name, strings.Join(kinds, ", "))
		case !slices.Contains(wanted, name):
			wanted = append(wanted, name)
		}
	}

	if wanted == nil {
		return kinds, nil
	}
	return wanted, nil
}
