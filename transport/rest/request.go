package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/latchd/latchd/transport/iothub"
)

const (
	// maxErrorBody is how many bytes the client reads from the body of an error answer.
	maxErrorBody = 64 << 10
	// maxBody is the size in bytes of the largest answer that the client accepts. A
	// page of 1,000 twins at IoT Hub's limits fits into it.
	maxBody = 256 << 20
	// usualBody is the size in bytes up to which the client trusts the Content-Length of
	// an answer and allocates memory before the answer has arrived.
	usualBody = 8 << 20
)

// request is a request to IoT Hub's service API.
type request struct {
	method string
	path   string // absolute path, percent-encoded
	query  url.Values
	header http.Header
	body   any           // sent as JSON; nil sends no body
	out    any           // receives the JSON answer; nil ignores the answer
	limit  time.Duration // limits the whole request; 0 means the client's timeout

	// acceptRefusal decides whether an error answer with the given body counts as
	// success. Nil accepts no error answer.
	acceptRefusal func(body []byte) bool
}

// changes reports whether the request can change something.
func (r request) changes() bool { return r.method != http.MethodGet && r.path != queryPath }

// once sends the request without repeating it. It returns the headers of the hub's
// answer. Before a change, the hub must have shown that it is the right one.
func (c *Client) once(ctx context.Context, r request) (http.Header, error) {
	if r.changes() && c.hub.unverified() {
		if _, err := c.HubID(ctx); err != nil {
			return nil, err
		}
	}

	limit := cmp.Or(r.limit, c.timeout)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	req, err := c.newRequest(limited, r)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.networkError(ctx, err, limit)
	}
	defer res.Body.Close()
	if err := c.hub.check(res, c.address); err != nil {
		return nil, err
	}

	if res.StatusCode >= 300 {
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
		if r.acceptRefusal != nil && r.acceptRefusal(body) {
			return res.Header, nil
		}
		return res.Header, c.refusal(res, body)
	}

	if r.out == nil {
		// Read the answer to its end. Go's HTTP client cannot reuse a connection with
		// unread data.
		io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody))
		return res.Header, nil
	}

	var body bytes.Buffer
	body.Grow(int(min(max(res.ContentLength, 0), usualBody)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(res.Body, maxBody+1)); err != nil {
		return nil, c.networkError(ctx, err, limit)
	}
	if body.Len() > maxBody {
		return nil, fmt.Errorf("hub at %s: the answer to %s %s is larger than %d MiB", c.address, r.method, r.path, maxBody>>20)
	}
	if err := json.Unmarshal(body.Bytes(), r.out); err != nil {
		return nil, fmt.Errorf("hub at %s: invalid answer to %s %s (check that the address belongs to a hub): %w",
			c.address, r.method, r.path, err)
	}

	return res.Header, nil
}

// newRequest makes the HTTP request, with its body and all headers.
func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	query := url.Values{"api-version": {iothub.APIVersion}}
	for name, values := range r.query {
		query[name] = values
	}

	var body io.Reader
	var text []byte
	if r.body != nil {
		var err error
		if text, err = encode(r.body); err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}

	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}

	authorization, err := c.authorization(ctx)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Request-Id", uuid.NewString())
	req.Header.Set("User-Agent", c.userAgent)
	if id := c.hub.header(); id != "" {
		req.Header.Set(iothub.HubIDHeader, id)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}

	return req, nil
}

// authorization returns the Authorization header of a request.
func (c *Client) authorization(ctx context.Context) (string, error) {
	header, _, err := c.Authorization(ctx, tokenLife)
	return header, err
}

// Authorization returns the value of an Authorization header with which another program can
// send requests to the hub, and when the value expires. It holds a bearer token from Entra
// ID, whose expiry is not known (the zero time), or a shared access signature for the hub's
// host name, which is valid for life. The official Node SDK for services signs the host
// name, too.
func (c *Client) Authorization(ctx context.Context, life time.Duration) (header string, expires time.Time, err error) {
	if c.bearer != nil {
		token, err := c.bearer(ctx)
		return "Bearer " + token, time.Time{}, err
	}

	now := c.now()
	expires = now.Truncate(time.Second)
	if expires.Before(now) {
		expires = expires.Add(time.Second) // the official SDK rounds up
	}
	expires = expires.Add(life)

	return iothub.Sign(c.service.HostName, c.service.Key, c.service.KeyName, expires), expires, nil
}

// refusal returns the error that is described by the hub's error answer.
func (c *Client) refusal(res *http.Response, body []byte) error {
	e := iothub.ParseError(res.StatusCode, body)
	if e.Code == "" {
		e.Code = iothub.Code(res.Header.Get("Iothub-Errorcode"))
	}
	if e.Message == "" && e.Code == "" {
		e.Message = strings.ToLower(http.StatusText(res.StatusCode))
	}

	e.RetryAfter = retryAfter(res.Header.Get("Retry-After"), c.now())
	return e
}

// retryAfter parses a Retry-After header, which contains seconds or a date. It returns
// 0 for an invalid header.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}

	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0 && seconds <= math.MaxInt32) { // the condition is also false for NaN
			return 0
		}
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}

	return 0
}

// encode returns v as JSON. It does not escape <, > and &, because query conditions
// often contain them.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)

	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ifMatch returns an If-Match header. The hub then refuses the change if the entry's
// etag differs from etag. An empty etag skips this check.
func ifMatch(etag string) http.Header {
	if etag == "" {
		etag = "*"
	}
	if !strings.HasPrefix(etag, `"`) {
		etag = `"` + etag + `"`
	}

	return http.Header{"If-Match": {etag}}
}

// refused returns the hub's refusal that is wrapped in err, and reports whether there
// is one.
func refused(err error) (*iothub.Error, bool) {
	return errors.AsType[*iothub.Error](err)
}
