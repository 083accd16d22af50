package feed

import (
	"net/http"
	"time"
)

const (
	// A comment goes out this often if nothing else does, so that both ends notice
	// a line that is dead.
	heartbeat = 15 * time.Second
	// writeTime is how long one write may take.
	writeTime = 30 * time.Second
)

// Serve answers a request with events, of the kinds that its query names (kind=),
// until the client goes, or until expires. The caller has checked the client's
// rights. An error says why there is no stream; nothing was written then.
func (f *Feed) Serve(w http.ResponseWriter, request *http.Request, expires time.Time) error {
	wanted, err := parseKinds(request.URL.Query()["kind"])
	if err != nil {
		return err
	}
	r, err := f.open(wanted)
	if err != nil {
		return err
	}
	defer f.close(r)

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if request.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // its deadlines are for no other request
	}
	out := stream{w, http.NewResponseController(w)}
	if out.write(frame("ready", map[string]any{"time": f.now().UTC(), "kinds": wanted})) != nil {
		return nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	expiry := time.NewTimer(expires.Sub(f.now()))
	defer expiry.Stop()
	for {
		var comment []byte
		select {
		case <-r.wake:
		case <-beat.C:
			comment = []byte(":\n\n")
		case <-expiry.C:
			r.end("the token has run out")
		case <-request.Context().Done():
			return nil
		}
		events, reason := r.take()
		if comment != nil && len(events) == 0 {
			events = append(events, comment)
		}
		if reason != "" {
			events = append(events, frame("end", map[string]any{"time": f.now().UTC(), "reason": reason}))
		}
		if len(events) > 0 && out.write(events...) != nil || reason != "" {
			return nil
		}
	}
}

// stream writes to a client at once, or not at all.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (s stream) write(events ...[]byte) error {
	for _, event := range events {
		if err := s.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := s.Write(event); err != nil {
			return err
		}
	}
	return s.control.Flush()
}
