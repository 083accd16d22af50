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

// maxBody is the size of the largest accepted request body, in bytes. The largest
// request that IoT Hub documents changes 100 device identities with their twins.
const maxBody = 1 << 20

const jsonType = "application/json; charset=utf-8"

// methodError marks an error as the result of a direct method call. IoT Hub reports such
// errors in a different JSON body than all other errors.
type methodError struct{ error }

func (e methodError) Unwrap() error { return e.error }

// refuse sends err as the answer to a request. If err is not an *iothub.Error, the hub
// itself has failed: refuse logs err and tells the client only the request's id.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the client has disconnected
	}

	requestID := w.Header().Get("x-ms-request-id")
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok {
		a.remoteLog.Error("request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path),
			zap.String("request_id", requestID), zap.Error(err))
		refusal = iothub.Errorf(iothub.CodeServerError, "internal error of the hub: see its log (request_id %s)", requestID)
	}

	answer := *refusal // copy the error, because other requests may use it too
	answer.TrackingID = requestID
	body := answer.Body(a.Now())
	if _, ok := errors.AsType[methodError](err); ok {
		body = answer.MethodBody(a.Now())
	}

	w.Header().Set("iothub-errorcode", string(answer.Code))
	if answer.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(answer.RetryAfter.Seconds()+0.999)))
	}
	if answer.Status == http.StatusUnauthorized {
		// The hub soon ends connections of clients that have not logged in. This header
		// tells an honest client not to send its next request on such a connection.
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(answer.Status)
	w.Write(body)
}

// answer sends value as JSON with status 200.
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
	writeHeader(w, status, len(body))
	w.Write(body)
}

// writeHeader sends the header of an answer whose body is JSON of the given size.
func writeHeader(w http.ResponseWriter, status, size int) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
}

// read decodes the request's body, which must be a single JSON value, into value.
func read(w http.ResponseWriter, r *http.Request, value any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return invalid("the request has no body, want JSON")
	}
	if err := iothub.ReadJSON(body, value); err != nil {
		return invalid("the request's body: %s", describeJSONError(body, err))
	}
	return nil
}

// readBody reads the request's body.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, iothub.Errorf(iothub.CodeMessageTooLarge, "the request's body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return nil, invalid("the request's body ends early")
	}

	// Remove the server's deadline for reading the request. net/http goes on reading from the
	// connection to notice that the client disconnects, and that read must not time out.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// describeJSONError adds the place of a syntax error to its message.
func describeJSONError(body []byte, err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + bytes.Count(body[:min(int(syntax.Offset), len(body))], []byte("\n"))
		return "line " + strconv.Itoa(line) + ", byte " + strconv.FormatInt(syntax.Offset, 10) + ": " + syntax.Error()
	}
	return err.Error()
}

// readParameter parses a query parameter into value, as iothub.ReadParameter does. If
// the request does not have the parameter, value stays unchanged.
func readParameter(r *http.Request, name string, value any) error {
	if err := iothub.ReadParameter(name, parameter(r, name), value); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// parameter returns the value of a query parameter, or "" if the request does not have
// it. Like IoT Hub, it accepts the name in any case.
func parameter(r *http.Request, name string) string {
	for given, values := range r.URL.Query() {
		if strings.EqualFold(given, name) {
			return values[0]
		}
	}
	return ""
}

// ifMatch returns the etag in the If-Match header without its quotes, and reports
// whether the request has the header. An empty etag keeps its quotes, so that it
// matches no existing etag.
func ifMatch(r *http.Request) (etag string, given bool) {
	etag = strings.TrimSpace(r.Header.Get("If-Match"))
	given = etag != ""

	etag = strings.TrimPrefix(etag, "W/")
	if n := len(etag); n > 2 && etag[0] == '"' && etag[n-1] == '"' {
		etag = etag[1 : n-1]
	}
	return etag, given
}

// ifMatchOrAny returns the value of the If-Match header, or "*" if the request has no
// such header.
func ifMatchOrAny(r *http.Request) string {
	if etag, given := ifMatch(r); given {
		return etag
	}
	return "*"
}

func setETag(w http.ResponseWriter, etag string) {
	w.Header().Set("ETag", `"`+etag+`"`)
}

func invalid(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeArgumentInvalid, format, args...)
}
