package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// removed is the text that replaces a secret in a trace.
const removed = "(removed)"

// maxTraceBody is how many bytes of a body a trace shows.
const maxTraceBody = 16 << 10

// tracer sends HTTP requests through another transport, next. It writes each request
// and its answer to a trace, without secrets.
type tracer struct {
	next http.RoundTripper
	line func(string) // receives each line of the trace
	now  func() time.Time
}

// RoundTrip sends the request and writes the request and its answer to the trace.
func (t *tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	t.line(fmt.Sprintf("> %s %s", req.Method, req.URL))
	t.headers(">", req.Header)
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(io.LimitReader(body, maxBody))
			t.body(">", text)
		}
	}

	start := t.now()
	res, err := t.next.RoundTrip(req)
	if err != nil {
		t.line(fmt.Sprintf("< %v", err))
		return nil, err
	}

	t.line(fmt.Sprintf("< %s after %s", res.Status, t.now().Sub(start).Round(time.Millisecond)))
	t.headers("<", res.Header)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res, nil // do not read the body: a stream of events has no end
	}

	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	t.body("<", text)

	// Put the bytes that were read, and the error, back into the body, so that the
	// caller reads the same.
	rest := io.Reader(bytes.NewReader(text))
	if err != nil {
		rest = io.MultiReader(rest, failingReader{err})
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{rest, res.Body}
	return res, nil
}

// shownHeaders lists the headers that contain no secret. A trace shows the values of
// these headers, and only the names of all others.
var shownHeaders = []string{"Content-Type", "Content-Length", "Date", "Etag", "If-Match", "Iothub-Errorcode", "Request-Id", "Retry-After",
	"Server", "User-Agent", "X-Ms-Continuation", "X-Ms-Item-Type", "X-Ms-Max-Item-Count", "X-Ms-Request-Id"}

// headers writes the headers of a request or an answer to the trace. mark is ">" for a
// request and "<" for an answer.
func (t *tracer) headers(mark string, header http.Header) {
	var names []string
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)

	for _, name := range names {
		value := removed
		if slices.Contains(shownHeaders, name) {
			value = strings.Join(header[name], ", ")
		}
		t.line(fmt.Sprintf("%s %s: %s", mark, name, value))
	}
}

// body writes the body of a request or an answer to the trace.
func (t *tracer) body(mark string, body []byte) {
	if len(body) > 0 {
		t.line(mark + " " + withoutSecrets(body))
	}
}

// withoutSecrets returns a JSON body in one line, without keys, signatures and tokens.
// If the body is not JSON, secrets could be anywhere. withoutSecrets then returns only
// the body's length.
func withoutSecrets(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()

	var value any
	if err := d.Decode(&value); err != nil || d.More() {
		return fmt.Sprintf("(%d bytes that are not JSON)", len(body))
	}

	text, err := encode(clean(value))
	if err != nil {
		return removed
	}
	if len(text) > maxTraceBody {
		return strings.ToValidUTF8(string(text[:maxTraceBody]), "") + fmt.Sprintf("... (%d bytes)", len(text))
	}
	return string(text)
}

// clean replaces the secrets in a decoded JSON value.
func clean(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			if _, isText := field.(string); isText && secretName(name) {
				v[name] = removed
			} else {
				v[name] = clean(field)
			}
		}
	case []any:
		for i := range v {
			v[i] = clean(v[i])
		}
	case string:
		lower := strings.ToLower(v)
		for _, word := range []string{"sharedaccesskey=", "sharedaccesssignature ", "sig=", "bearer "} {
			if strings.Contains(lower, word) {
				return removed
			}
		}
	}

	return value
}

// secretName reports whether a JSON field with the given name holds a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"key", "signature", "token", "secret", "password", "connectionstring"} {
		if strings.HasSuffix(name, word) {
			return true
		}
	}

	return false
}

// failingReader is a reader that always fails with the given error.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
