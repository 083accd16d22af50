package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

// tokenLife is how long a signed token is valid. The official Node SDK uses the same
// value.
const tokenLife = time.Hour

// Options configure a Client. With the zero value, the client connects to the hub's
// host name on port 443 and trusts the system's CA certificates.
type Options struct {
	// Endpoint is the address to connect to. Nil means the hub's host name. Use
	// [ParseEndpoint] to make it.
	Endpoint *url.URL
	// HubID is the id that the hub must have. Empty means the id in the hub's first
	// answer. From then on the client accepts no answer of another hub.
	HubID iothub.HubID
	// RootCAs returns the CA certificates that may vouch for the hub. The client calls it
	// for each request, so renewed certificates take effect with the next connection. Nil
	// means the system's CA certificates.
	RootCAs trust.Roots
	// Dial opens TCP connections. Nil means a net.Dialer, through the proxy that the
	// environment names. A function set here ignores that proxy.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Transport sends the HTTP requests. Nil means a transport that trusts RootCAs. A
	// transport set here ignores RootCAs and Dial.
	Transport http.RoundTripper
	// UserAgent is the program's name in the User-Agent header of each request. Empty
	// means "latchd".
	UserAgent string
	// Timeout limits each request, except calls of direct methods. 0 means one minute.
	Timeout time.Duration

	// Token returns a bearer token for one request. Nil means that the client signs a
	// token with the service's key.
	Token func(ctx context.Context) (string, error)

	// Now returns the current time. Nil means time.Now.
	Now func() time.Time
	// Sleep waits for the time d, or until ctx ends. Nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a random number from 0 up to 1. Nil means rand.Float64.
	Jitter func() float64

	// OnRetry is called before the client repeats a request, with the reason and the
	// wait. Nil disables the call.
	OnRetry func(err error, wait time.Duration)

	// Trace receives each line of each request and answer. Keys, signatures and tokens
	// are removed. Nil disables tracing.
	Trace func(line string)
}

// Client sends requests to one hub. Any number of goroutines may use it.
type Client struct {
	service   iothub.Service
	hub       *identity
	base      string // https://HOST[:PORT] without a slash at the end
	address   string // HOST:PORT of the endpoint, for errors
	http      *http.Client
	userAgent string
	timeout   time.Duration
	bearer    func(context.Context) (string, error)
	now       func() time.Time
	sleep     func(context.Context, time.Duration) error
	jitter    func() float64
	onRetry   func(error, time.Duration)
}

// New returns a client for the hub in the connection string. It does not connect to the
// hub.
func New(service iothub.Service, opts Options) *Client {
	endpoint := opts.Endpoint
	if endpoint == nil {
		endpoint = &url.URL{Scheme: "https", Host: service.HostName}
	}

	c := &Client{
		service:   service,
		hub:       &identity{hostName: service.HostName, want: opts.HubID},
		base:      "https://" + endpoint.Host,
		address:   address(endpoint),
		userAgent: opts.UserAgent,
		timeout:   opts.Timeout,
		bearer:    opts.Token,
		now:       opts.Now,
		sleep:     opts.Sleep,
		jitter:    opts.Jitter,
		onRetry:   opts.OnRetry,
	}

	c.userAgent = cmp.Or(c.userAgent, "latchd")
	c.timeout = cmp.Or(c.timeout, time.Minute)
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	if c.jitter == nil {
		c.jitter = rand.Float64
	}
	if c.onRetry == nil {
		c.onRetry = func(error, time.Duration) {}
	}

	hub := opts.Transport
	if hub == nil {
		hub = &transport{roots: opts.RootCAs, dial: opts.Dial}
	}
	if opts.Trace != nil {
		hub = &tracer{hub, opts.Trace, c.now}
	}

	c.http = &http.Client{
		Transport:     hub,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// HostName returns the hub's name from the connection string.
func (c *Client) HostName() string { return c.service.HostName }

// Address returns the HOST:PORT to which the client connects.
func (c *Client) Address() string { return c.address }

// Proxy returns the HOST:PORT of the proxy through which the client connects. It
// returns "" if the environment names no proxy for the hub.
func (c *Client) Proxy() string {
	base, err := url.Parse(c.base)
	if err != nil {
		return ""
	}

	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: base})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host
}

// CloseIdleConnections closes the connections that no request is using.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// hostForm is the form of a host name or IP address.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)

// ParseEndpoint parses the address of a hub: https://HOST[:PORT] or HOST[:PORT].
func ParseEndpoint(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(text, "://") {
		full = "https://" + text
	}

	u, err := url.Parse(full)
	switch {
	case err != nil, !hostForm.MatchString(u.Hostname()), u.Port() == "" && strings.HasSuffix(u.Host, ":"):
		return nil, fmt.Errorf("endpoint %q: want https://HOST:PORT", text)
	case u.Scheme != "https":
		return nil, fmt.Errorf("endpoint %q: the scheme is %s; want https", text, u.Scheme)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("endpoint: want https://HOST:PORT with nothing after the port")
	}

	return &url.URL{Scheme: "https", Host: u.Host}, nil
}

// address returns the HOST:PORT of an endpoint's URL. The default port is 443.
func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

// sleep waits for the time d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
