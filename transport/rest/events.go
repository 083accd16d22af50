package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// eventSilence is how long a stream of events may be silent before the client
	// closes the stream. The hub sends a keep-alive line every 15 s.
	eventSilence = 45 * time.Second
	// maxEvent is the size in bytes of the largest event that the client reads. A twin
	// at IoT Hub's limits fits into it.
	maxEvent = 1 << 20
)

// Event describes a change in the hub, such as a device's message or a change of a
// twin.
type Event struct {
	Kind      string      `json:"-"`    // ready, telemetry, twin, lifecycle or job
	ID        string      `json:"-"`    // position of the event in the stream, for EventsAfter; may be empty
	Time      time.Time   `json:"time"` // by the hub's clock
	DeviceID  string      `json:"deviceId"`
	Operation string      `json:"operation"` // what was done; set for the kinds twin and lifecycle
	Job       *iothub.Job `json:"job"`       // set for the kind job

	// Resumed is set for the kind ready if no event is missing since the event whose id was
	// passed to EventsAfter.
	Resumed bool `json:"resumed"`

	// Properties and Body are the properties and the content of a device's message. They
	// are set for the kind telemetry. Body is nil if the content is not JSON.
	Properties map[string]string `json:"properties"`
	Body       json.RawMessage   `json:"body"`
}

// Events streams the hub's events of the given kinds, from now on. The first event has
// the kind ready. The sequence ends when the caller stops reading or after an error.
// Only the embedded hub has these events; IoT Hub refuses the request.
func (c *Client) Events(ctx context.Context, kinds ...string) iter.Seq2[Event, error] {
	return c.EventsAfter(ctx, "", kinds...)
}

// EventsAfter is like Events, but asks the hub for the events after the one with the given
// id. The first event says in its field Resumed whether the hub still had all of them.
func (c *Client) EventsAfter(ctx context.Context, id string, kinds ...string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		silence := time.AfterFunc(eventSilence, func() { cancel(errSilence) })
		defer silence.Stop()

		fail := func(err error) {
			if context.Cause(ctx) == errSilence {
				err = fmt.Errorf("hub at %s: %w", c.address, errSilence)
			}
			yield(Event{}, err)
		}

		stream, err := c.openEvents(ctx, id, kinds)
		if err != nil {
			fail(err)
			return
		}
		defer stream.Close()

		keepAlive := func() { silence.Reset(eventSilence) }
		for e, err := range readEvents(stream, keepAlive) {
			if err != nil {
				fail(fmt.Errorf("hub at %s: the stream of events has ended: %w", c.address, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// openEvents requests a stream of events from the hub.
func (c *Client) openEvents(ctx context.Context, id string, kinds []string) (io.ReadCloser, error) {
	r := request{method: http.MethodGet, path: "/events", query: url.Values{"kind": {strings.Join(kinds, ",")}}}
	if id != "" {
		r.header = http.Header{"Last-Event-Id": {id}}
	}
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}

	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.networkError(ctx, err, eventSilence)
	}
	if err := c.hub.check(res, c.address); err != nil {
		res.Body.Close()
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
		return nil, c.refusal(res, body)
	}

	return res.Body, nil
}

// errSilence means that the hub sent no event and no keep-alive line for eventSilence.
var errSilence = errors.New("the stream of events is silent; check the network")

// readEvents reads server-sent events from stream. It calls keepAlive for each line.
// The last element of the sequence is always an error, even if the stream ends
// normally.
func readEvents(stream io.Reader, keepAlive func()) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, maxEvent)

		var kind, id string
		var data []byte
		for lines.Scan() {
			keepAlive()
			name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "event":
				kind = string(value)
			case "id":
				id = eventID(value)
			case "data":
				data = bytes.Clone(value)
			}
			if len(lines.Bytes()) > 0 || kind == "" {
				continue // only an empty line ends an event
			}

			e := Event{Kind: kind}
			if err := json.Unmarshal(data, &e); err != nil {
				yield(e, fmt.Errorf("invalid event %.20q: %w", kind, err))
				return
			}
			e.Kind, e.ID = kind, id
			if kind == "end" {
				yield(e, endOfStream(data))
				return
			}
			if !yield(e, nil) {
				return
			}
			kind, id = "", ""
			data = nil
		}

		err := lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(Event{}, err)
	}
}

// maxEventID is the maximum length of an event's id, in bytes.
const maxEventID = 100

// eventID returns an id that the client can send in a header, or "" if the hub sends any
// other text.
func eventID(text []byte) string {
	if len(text) > maxEventID || bytes.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return string(text)
}

// endOfStream returns the error for the last event of a stream, in which the hub says why
// it ends the stream.
func endOfStream(data []byte) error {
	var end struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(data, &end) != nil || end.Reason == "" {
		return io.EOF
	}
	return fmt.Errorf("%.200s: %w", end.Reason, io.EOF)
}
