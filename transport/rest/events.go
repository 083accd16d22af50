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
	// eventSilence is how long a stream of events may be silent: three times the
	// hub's pause between two signs of life.
	eventSilence = 45 * time.Second
	// maxEvent bounds one event. A twin at its documented limits stays below.
	maxEvent = 1 << 20
)

// Event is something that has happened in the hub.
type Event struct {
	Kind      string      `json:"-"` // ready, telemetry, twin, lifecycle or job
	DeviceID  string      `json:"deviceId"`
	Operation string      `json:"operation"` // of twin and lifecycle
	Job       *iothub.Job `json:"job"`       // of job
}

// Events tells what happens in the hub from now on, of the kinds that are named.
// The first event is ready. The sequence ends with an error, if the caller does
// not end it. It is the embedded hub's own: IoT Hub refuses it.
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
		req, err := c.newRequest(ctx, request{method: http.MethodGet, path: "/events", query: url.Values{"kind": {strings.Join(kinds, ",")}}})
		if err != nil {
			fail(err)
			return
		}
		res, err := c.http.Do(req)
		if err != nil {
			fail(c.networkError(ctx, err, eventSilence))
			return
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
			fail(c.refusal(res, body))
			return
		}
		alive := func() { silence.Reset(eventSilence) }
		for e, err := range readEvents(res.Body, alive) {
			if err != nil {
				fail(fmt.Errorf("hub at %s: its events have ended: %w", c.address, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

var errSilence = errors.New("no sign of life among its events")

// readEvents reads server-sent events, and calls alive at each line. It ends with
// an error, at the latest that of the stream's end.
func readEvents(stream io.Reader, alive func()) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, maxEvent)
		var kind string
		var data []byte
		for lines.Scan() {
			alive()
			name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(name) {
			case "event":
				kind = string(value)
			case "data":
				data = bytes.Clone(value)
			}
			if len(lines.Bytes()) > 0 || kind == "" {
				continue
			}
			e := Event{Kind: kind}
			if err := json.Unmarshal(data, &e); err != nil {
				yield(e, fmt.Errorf("an event %.20q is not as documented: %w", kind, err))
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
