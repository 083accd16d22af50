package rest

import (
	"bytes"
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
	// maxErrorBody bounds what is read of a refusal.
	maxErrorBody = 64 << 10
	// maxBody bounds an answer. A page of 1,000 twins at their documented limits
	// stays below.
	maxBody = 256 << 20
)

// request is one call of the service API.
type request struct {
	method string
	path   string // from the root, encoded
	query  url.Values
	header http.Header
	body   any           // nil: none
	out    any           // where the JSON answer goes; nil: nowhere
	limit  time.Duration // for the whole request; 0: the client's

	// refusal, if set, is shown the body of a refusal, and reports whether that
	// was the awaited answer after all.
	refusal func(body []byte) bool
}

// once sends the request one time and returns the answer's headers.
func (c *Client) once(ctx context.Context, r request) (http.Header, error) {
	limit := r.limit
	if limit == 0 {
		limit = c.timeout
	}
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
	if res.StatusCode >= 300 {
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
		if r.refusal != nil && r.refusal(body) {
			return res.Header, nil
		}
		return res.Header, c.refusal(res, body)
	}
	if r.out == nil {
		io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody)) // so that the connection can be used again
		return res.Header, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, c.networkError(ctx, err, limit)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("hub at %s: the answer to %s %s is larger than %d MiB", c.address, r.method, r.path, maxBody>>20)
	}
	if err := json.Unmarshal(body, r.out); err != nil {
		return nil, fmt.Errorf("hub at %s: the answer to %s %s is not what an IoT Hub answers (is this address a hub?): %w",
			c.address, r.method, r.path, err)
	}
	return res.Header, nil
}

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
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return req, nil
}

// authorization is the bearer token of one who logs in by Entra ID, or a shared
// access signature over the bare host name, which is what the official Node
// service SDK signs.
func (c *Client) authorization(ctx context.Context) (string, error) {
	if c.bearer != nil {
		token, err := c.bearer(ctx)
		return "Bearer " + token, err
	}
	now := c.now()
	expiry := now.Truncate(time.Second)
	if expiry.Before(now) {
		expiry = expiry.Add(time.Second) // the SDK rounds up
	}
	return iothub.Sign(c.service.HostName, c.service.Key, c.service.KeyName, expiry.Add(tokenLife)), nil
}

// refusal reads the answer to a refused request.
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

// retryAfter reads the header's two forms: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0 && seconds <= math.MaxInt32) { // not a number is neither
			return 0
		}
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// encode writes JSON without escaping <, > and &, which conditions are full of.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// ifMatch returns the header that ties a change to an etag. An empty etag
// stands for any.
func ifMatch(etag string) http.Header {
	if etag == "" {
		etag = "*"
	}
	if !strings.HasPrefix(etag, `"`) {
		etag = `"` + etag + `"`
	}
	return http.Header{"If-Match": {etag}}
}

// refused returns the hub's refusal in err, if it is one.
func refused(err error) (*iothub.Error, bool) {
	var e *iothub.Error
	ok := errors.As(err, &e)
	return e, ok
}
