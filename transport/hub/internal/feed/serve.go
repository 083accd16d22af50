package feed

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// heartbeat is the interval at which the feed sends a comment to an idle client. The
	// comments reveal dead connections to both sides.
	heartbeat = 15 * time.Second

	// writeTimeout is the maximum time for one write to a client.
	writeTimeout = 30 * time.Second
)

// Serve answers an HTTP request with a stream of events. The stream ends when the client
// disconnects, its token expires or the feed closes. If the cause of the end of the
// request's context is an *iothub.Error, the last event contains its message. The query parameter kind selects the
// kinds of events. The header Last-Event-ID asks for the events after the one with this id.
//
// The caller must check the client's permissions before the call. If Serve returns an
// error, it has not written a response, and the caller must send the error to the client.
func (f *Feed) Serve(w http.ResponseWriter, request *http.Request, tokenExpires time.Time) error {
	wanted, err := parseKinds(request.URL.Query()["kind"])
	if err != nil {
		return err
	}
	lastID := request.Header.Get("Last-Event-ID")
	l, position, resumed, err := f.open(wanted, lastID)
	if err != nil {
		return err
	}
	defer f.close(l)

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	// Close the connection after the stream. Otherwise the stream's write deadline would also
	// apply to the next request on the connection.
	w.Header().Set("Connection", "close")
	out := stream{w, http.NewResponseController(w)}
	ready := map[string]any{"time": f.now().UTC(), "kinds": wanted}
	if lastID != "" {
		ready["resumed"] = resumed
	}
	if out.write([]byte("id: "+position+"\n"), encodeEvent("ready", ready)) != nil {
		return nil
	}

	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	expiry := time.NewTimer(tokenExpires.Sub(f.now()))
	defer expiry.Stop()

	for {
		var comment []byte
		select {
		case <-l.wake:
		case <-beat.C:
			comment = []byte(":\n\n")
		case <-expiry.C:
			l.end("the token has expired")
		case <-request.Context().Done():
			revoked, ok := errors.AsType[*iothub.Error](context.Cause(request.Context()))
			if !ok {
				return nil
			}
			l.end(revoked.Message)
		}

		events, endReason := l.take()
		if comment != nil && len(events) == 0 {
			events = append(events, comment)
		}
		if endReason != "" {
			events = append(events, encodeEvent("end", map[string]any{"time": f.now().UTC(), "reason": endReason}))
		}
		if len(events) > 0 && out.write(events...) != nil || endReason != "" {
			return nil
		}
	}
}

// stream sends events to a client and flushes them at once.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

// write sends events to the client and flushes them. It fails if the write of one event
// takes longer than writeTimeout.
func (s stream) write(events ...[]byte) error {
	for _, event := range events {
		if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if _, err := s.Write(event); err != nil {
			return err
		}
	}
	return s.control.Flush()
}
