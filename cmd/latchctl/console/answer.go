package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBody bounds what a page can send: a wish names all the doors that it is for.
const maxBody = 4 << 20

// problem is an error that the console itself has found.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func badRequest(err error) error { return &problem{http.StatusBadRequest, err.Error()} }

// api answers by f, and with its error if there is one: the hub's own refusals
// of a request as such, all else as a bad gateway.
func (s *Server) api(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := f(w, r)
		if err == nil {
			return
		}
		status := http.StatusBadGateway
		if p, ok := errors.AsType[*problem](err); ok {
			status = p.status
		} else if e, ok := errors.AsType[*iothub.Error](err); ok && e.Status >= 400 && e.Status < 500 && e.Status != 401 && e.Status != 403 {
			status = e.Status
		}
		fail(w, status, err.Error())
	})
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
	return nil
}

// fail sends an error's text as JSON.
func fail(w http.ResponseWriter, status int, text string) {
	body, _ := json.Marshal(struct {
		Error string `json:"error"`
	}{ui.Clean(text)})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// read reads what a page sends.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest(fmt.Errorf("the request is not as the page sends it: %w", err))
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
