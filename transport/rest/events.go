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
	// closes it. The hub sends a keep-alive line every 15 s.
	eventSilence = 45 * time.Second
	// maxEvent is the largest event, in bytes. A twin at IoT Hub's limits is smaller.
	maxEvent = 1 << 20
)

// Event reports something that happened in the hub.
type Event struct {
	Kind      string      `json:"-"` // ready, telemetry, twin, lifecycle or job
	DeviceID  string      `json:"deviceId"`
	Operation string      `json:"operation"` // set for the kinds twin and lifecycle
	Job       *iothub.Job `json:"job"`       // set for the kind job
}

// Events returns the events of the given kinds that happen in the hub from now on. The
// first event is ready. The sequence runs until the caller stops, or ends with an error.
// Only the embedded hub has these events; IoT Hub refuses the request.
func (c *Client) Events(ctx context.Context, kinds ...string) iter.Seq2[Event, error] {
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

		stream, err := c.openEvents(ctx, kinds)
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

// openEvents asks the hub for a stream of events.
func (c *Client) openEvents(ctx context.Context, kinds []string) (io.ReadCloser, error) {
	query := url.Values{"kind": {strings.Join(kinds, ",")}}
	req, err := c.newRequest(ctx, request{method: http.MethodGet, path: "/events", query: query})
	if err != nil {
		return nil, err
	}

	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.networkError(ctx, err, eventSilence)
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

// readEvents reads server-sent events and calls keepAlive for each line. The sequence
// always ends with an error, at the end of the stream at the latest.
func readEvents(stream io.Reader, keepAlive func()) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, maxEvent)

		var kind string
		var data []byte
		for lines.Scan() {
			keepAlive()
			name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "event":
				kind = string(value)
			case "data":
				data = bytes.Clone(value)
			}
			if len(lines.Bytes()) > 0 || kind == "" {
				continue // an empty line ends the event
			}

			e := Event{Kind: kind}
			if err := json.Unmarshal(data, &e); err != nil {
				yield(e, fmt.Errorf("invalid event %.20q: %w", kind, err))
				return
			}
			e.Kind = kind
			if kind == "end" {
				yield(e, io.EOF)
				return
			}
			if !yield(e, nil) {
				return
			}
			kind, data = "", nil
		}

		err := lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(Event{}, err)
	}
}
