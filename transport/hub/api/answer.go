package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// maxBody is the largest request body. The largest documented request is a bulk
// change of 100 identities with their twins.
const maxBody = 1 << 20

const jsonType = "application/json; charset=utf-8"

// methodError is a refusal of a direct method, which has a body of its own form.
type methodError struct{ error }

func (e methodError) Unwrap() error { return e.error }

// refuse writes an error as the answer. What is no *iothub.Error is the hub's own
// failure: the client learns no more than where to find it in the log.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is left to read it
	}
	id := w.Header().Get("x-ms-request-id")
	var refusal *iothub.Error
	if !errors.As(err, &refusal) {
		a.Logger.Error("request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path),
			zap.String("request", id), zap.Error(err))
		refusal = iothub.Errorf(iothub.CodeServerError, "the hub could not do this, its log says why (request %s)", id)
	}
	answer := *refusal // it may be shared
	answer.TrackingID = id
	body := answer.Body(a.Now())
	if errors.As(err, new(methodError)) {
		body = answer.MethodBody(a.Now())
	}
	w.Header().Set("iothub-errorcode", string(answer.Code))
	if answer.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(answer.RetryAfter.Seconds()+0.999)))
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(answer.Status)
	w.Write(body)
}

// answer writes value as JSON with status 200.
func (a *api) answer(w http.ResponseWriter, value any) error {
	return a.answerStatus(w, http.StatusOK, value)
}

func (a *api) answerStatus(w http.ResponseWriter, status int, value any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	a.answerJSON(w, status, body.Bytes())
	return nil
}

func (a *api) answerJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// read takes the request's body, which must be one JSON value, into value.
func read(w http.ResponseWriter, r *http.Request, value any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return iothub.Errorf(iothub.CodeMessageTooLarge, "the request's body is larger than %d bytes", maxBody)
	case err != nil:
		return invalid("the request's body ends early")
	case len(bytes.TrimSpace(body)) == 0:
		return invalid("the request has no body, want JSON")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // from now on it is watched whether the client goes
	if err := json.Unmarshal(body, value); err != nil {
		return invalid("the request's body: %s", jsonProblem(body, err))
	}
	return nil
}

func jsonProblem(body []byte, err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + bytes.Count(body[:min(int(syntax.Offset), len(body))], []byte("\n"))
		return "line " + strconv.Itoa(line) + ", byte " + strconv.FormatInt(syntax.Offset, 10) + ": " + syntax.Error()
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		// The name before the first dot may be one of Go's, of an embedded type.
		field := strings.TrimPrefix(mismatch.Field, "plain.")
		return strings.TrimSpace(field + ": a JSON " + mismatch.Value + " does not fit here")
	}
	var notTime *time.ParseError
	if errors.As(err, &notTime) {
		return notTime.Value + " is not a time such as 2026-11-23T12:00:00Z"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// ifMatch returns the If-Match header without its quotes, and whether it is there.
// Empty quotes are left: they match nothing, unlike no header.
func ifMatch(r *http.Request) (etag string, given bool) {
	etag = strings.TrimSpace(r.Header.Get("If-Match"))
	given = etag != ""
	etag = strings.TrimPrefix(etag, "W/")
	if n := len(etag); n > 2 && etag[0] == '"' && etag[n-1] == '"' {
		etag = etag[1 : n-1]
	}
	return etag, given
}

func setETag(w http.ResponseWriter, etag string) {
	w.Header().Set("ETag", `"`+etag+`"`)
}

func invalid(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeArgumentInvalid, format, args...)
}
