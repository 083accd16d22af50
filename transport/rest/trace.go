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

// removed replaces a secret in a trace.
const removed = "(removed)"

// maxTraceBody is the part of a body that a trace shows, in bytes.
const maxTraceBody = 16 << 10

// tracer passes requests to the next transport and writes each request and its answer to
// a trace, without secrets.
type tracer struct {
	next http.RoundTripper
	line func(string) // receives each line of the trace
	now  func() time.Time
}

// RoundTrip sends the request and traces it.
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
		return res, nil // a stream of events does not end
	}

	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	t.body("<", text)

	// The caller reads the same bytes and gets the same error.
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

// shownHeaders lists the headers that contain no secret. A trace shows only the names of
// other headers.
var shownHeaders = []string{"Content-Type", "Content-Length", "Date", "Etag", "If-Match", "Iothub-Errorcode", "Request-Id", "Retry-After",
	"Server", "User-Agent", "X-Ms-Continuation", "X-Ms-Item-Type", "X-Ms-Max-Item-Count", "X-Ms-Request-Id"}

// headers traces the headers of a request or an answer. mark is ">" or "<".
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

// body traces the body of a request or an answer.
func (t *tracer) body(mark string, body []byte) {
	if len(body) > 0 {
		t.line(mark + " " + withoutSecrets(body))
	}
}

// withoutSecrets returns a JSON body in one line, without keys, signatures and tokens. For
// a body that is not JSON it returns only the length, because secrets could be anywhere.
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

// clean replaces the secrets in a JSON value.
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

// secretName reports whether a JSON field with this name holds a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"key", "signature", "token", "secret", "password", "connectionstring"} {
		if strings.HasSuffix(name, word) {
			return true
		}
	}

	return false
}

// failingReader returns the error at which reading a body ended.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
