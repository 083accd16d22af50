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

// removed stands where a secret was.
const removed = "(removed)"

// maxTraceBody bounds what is shown of a body.
const maxTraceBody = 16 << 10

// tracer shows each request and its answer, without their secrets.
type tracer struct {
	next http.RoundTripper
	line func(string)
	now  func() time.Time
}

// RoundTrip sends the request and tells of it.
func (t *tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	t.line(fmt.Sprintf("> %s %s", req.Method, req.URL))
	t.headers(">", req.Header)
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(io.LimitReader(body, maxBody))
			t.body(">", text)
		}
	}
	begun := t.now()
	res, err := t.next.RoundTrip(req)
	if err != nil {
		t.line(fmt.Sprintf("< %v", err))
		return nil, err
	}
	t.line(fmt.Sprintf("< %s after %s", res.Status, t.now().Sub(begun).Round(time.Millisecond)))
	t.headers("<", res.Header)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res, nil // it has no end to wait for
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	t.body("<", text)
	// An error of reading is the reader's to see.
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

// shownHeaders are the headers that have no secret. Of others only the name is shown.
var shownHeaders = []string{"Content-Type", "Content-Length", "Date", "Etag", "If-Match", "Iothub-Errorcode", "Request-Id", "Retry-After",
	"Server", "User-Agent", "X-Ms-Continuation", "X-Ms-Item-Type", "X-Ms-Max-Item-Count", "X-Ms-Request-Id"}

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

func (t *tracer) body(mark string, body []byte) {
	if len(body) > 0 {
		t.line(mark + " " + withoutSecrets(body))
	}
}

// withoutSecrets returns a JSON document on one line without keys, signatures and
// the like. Of a text that is not JSON, where they could stand anywhere, only the
// length is told.
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

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"key", "signature", "token", "secret", "password", "connectionstring"} {
		if strings.HasSuffix(name, word) {
			return true
		}
	}
	return false
}

// failingReader gives the error that ended a body early.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
