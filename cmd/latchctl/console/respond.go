package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
)

// maxBody is the maximum size of a request body, in bytes. It must be large because a
// request for a job lists the id of every door.
const maxBody = 4 << 20

// httpError is an error that the console itself found, with its HTTP status.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

// badRequest returns an error with the text of err and the HTTP status 400.
func badRequest(err error) error { return &httpError{http.StatusBadRequest, err.Error()} }

// api returns a handler that calls f and sends its error, if any, as JSON.
func (s *Server) api(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			respondError(w, statusOf(err), err.Error())
		}
	})
}

// statusOf returns the HTTP status with which the console reports an error. If the
// hub refused the user's request, the status is the hub's own. If the hub failed or
// refused the login, the status is 502.
func statusOf(err error) int {
	if e, ok := errors.AsType[*httpError](err); ok {
		return e.status
	}

	e, ok := errors.AsType[*iothub.Error](err)
	if ok && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusUnauthorized && e.Status != http.StatusForbidden {
		return e.Status
	}
	return http.StatusBadGateway
}

// respond sends v as JSON.
func respond(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}

	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
	return nil
}

// respondError sends the text of an error as JSON.
func respondError(w http.ResponseWriter, status int, text string) {
	body, _ := json.Marshal(struct {
		Error string `json:"error"`
	}{termtext.Clean(text)})

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// decode parses a JSON request body into v. It returns an error for unknown fields.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest(fmt.Errorf("invalid request: %w", err))
	}
	return nil
}

// maxShown is the maximum length of a remote text on the page, in characters. It equals
// the longest text that latchd reports, because a technician needs the whole reason.
const maxShown = 1000

// shown removes the control characters from a remote text and cuts the text to maxShown
// characters.
func shown(text string) string { return ui.Cut(termtext.Clean(text), maxShown) }
