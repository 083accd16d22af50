package console

import (
	"fmt"
	"net/http"
	"time"
)

// sendPatience is how long a page may take to take an event.
const sendPatience = 10 * time.Second

// stream tells a page what there is and then what changes, as server-sent
// events: doors (the whole list), changes (of some of them), status and job.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	p := s.board.join(r.Context())
	if p == nil {
		fail(w, http.StatusServiceUnavailable, "too many pages look at this console")
		return
	}
	defer s.board.leave(s.ctx, p)
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	if control.Flush() != nil {
		return
	}
	for {
		select {
		case e, more := <-p.events:
			if !more {
				return
			}
			control.SetWriteDeadline(time.Now().Add(sendPatience))
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.name, e.data); err != nil || control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
