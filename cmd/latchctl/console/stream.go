package console

import (
	"fmt"
	"net/http"
	"time"
)

// writeTimeout is the maximum time to write one event to a page.
const writeTimeout = 10 * time.Second

// stream sends a page the current state and then every change, as server-sent events.
// The events are doors (the whole list), changes (the changed doors), status, job, and
// notice (a text about the last action).
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	sub := s.feed.subscribe(r.Context())
	if sub == nil {
		respondError(w, http.StatusServiceUnavailable, fmt.Sprintf("too many open pages; close one (the limit is %d)", maxSubscribers))
		return
	}
	defer s.feed.unsubscribe(s.ctx, sub)

	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	if control.Flush() != nil {
		return
	}

	for {
		select {
		case e, ok := <-sub.events:
			if !ok {
				return
			}
			control.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.name, e.data); err != nil || control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
