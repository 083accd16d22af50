package feed

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/hub/internal/store"
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

// maxListeners is the maximum number of clients that receive events at the same time.
const maxListeners = 32

// Feed distributes events to clients. Its methods may be called from any goroutine. Only
// Serve blocks.
type Feed struct {
	now func() time.Time

	// listenerCounts[i] is the number of clients that receive events of kinds[i].
	listenerCounts [4]atomic.Int32

	mu        sync.Mutex
	listeners map[*listener]struct{}
	closed    bool
	history   history
}

// New returns a feed without clients.
func New(now func() time.Time) *Feed {
	name := strconv.FormatInt(now().UnixNano(), 36)
	return &Feed{now: now, listeners: make(map[*listener]struct{}), history: history{name: name}}
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

// Telemetry sends a device's message to the clients as a telemetry event. The bag holds
// the message's properties.
func (f *Feed) Telemetry(deviceID string, bag iothub.Bag, payload []byte) {
	if !f.hasListener(telemetry) {
		return
	}

	e := telemetryEvent{Time: f.now().UTC(), DeviceID: deviceID, Properties: make(map[string]string, len(bag))}
	for _, p := range bag {
		e.Properties[p.Name] = p.Value
	}

	switch {
	case iothub.CheckJSON(payload) == nil:
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

// Change sends a change of a device or its twin to the clients as a lifecycle or twin
// event.
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

// Job sends a job's current state to the clients as a job event.
func (f *Feed) Job(j iothub.Job) {
	if !f.hasListener(job) {
		return
	}
	j.CloudToDeviceMethod, j.UpdateTwin = nil, nil
	f.publish(job, j.JobID, jobEvent{f.now().UTC(), j})
}

// hasListener reports whether any client receives events of the given kind, or may connect
// again to receive them. If none does, the caller need not build the event.
func (f *Feed) hasListener(kind string) bool {
	i := slices.Index(kinds, kind)
	return f.listenerCounts[i].Load() > 0 || f.history.isKept(i, f.now)
}

// publish queues an event for every client that receives events of its kind. If key is
// not empty, the event replaces a queued event with the same key.
func (f *Feed) publish(kind, key string, event any) {
	encoded := encodeEvent(kind, event)
	f.mu.Lock()
	defer f.mu.Unlock()
	text := f.history.add(kind, encoded)
	for l := range f.listeners {
		if slices.Contains(l.kinds, kind) {
			l.add(key, text)
		}
	}
}

// encodeEvent encodes an event in the format of server-sent events, with one line of JSON
// as data.
func encodeEvent(name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		// This cannot fail, because all values in an event come from decoded JSON.
		text = []byte(`{"error":"the event cannot be encoded as JSON"}`)
	}

	var b bytes.Buffer
	b.Grow(len(name) + len(text) + 16)
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(text)
	b.WriteString("\n\n")
	return b.Bytes()
}

// parseKinds returns the kinds of events that a client requests with the query parameter
// kind. The parameter may occur several times, and each value is a comma-separated list.
// Without the parameter, a client receives all kinds.
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
