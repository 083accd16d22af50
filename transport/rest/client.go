package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
)

// tokenLife is how long a token is good for, as the official Node SDK has it.
const tokenLife = time.Hour

// Options say how to reach the hub. The zero value reaches it at its own name,
// on port 443, with the system's certificates.
type Options struct {
	Endpoint  *url.URL          // where to connect instead of the hub's name; see [ParseEndpoint]
	RootCAs   *x509.CertPool    // nil: the system's
	Transport http.RoundTripper // nil: one of its own, with RootCAs; else RootCAs is not used
	UserAgent string            // empty: "latchd"
	Timeout   time.Duration     // for one request that is no direct method; 0: one minute

	// Token, if set, gives the bearer token of each request, in place of a
	// signature by the service's key.
	Token func(ctx context.Context) (string, error)

	Now    func() time.Time                                 // nil: time.Now
	Sleep  func(ctx context.Context, d time.Duration) error // nil: a timer
	Jitter func() float64                                   // in [0,1); nil: random

	// OnRetry, if set, is told of each repetition: why, and after what time.
	OnRetry func(err error, wait time.Duration)

	// Trace, if set, is told of each request and answer, line by line, without
	// keys, signatures and tokens.
	Trace func(line string)
}

// Client speaks to one hub. It is safe for concurrent use.
type Client struct {
	service   iothub.Service
	base      string // https://HOST[:PORT], no slash at the end
	address   string // host:port, for errors
	http      *http.Client
	userAgent string
	timeout   time.Duration
	bearer    func(context.Context) (string, error)
	now       func() time.Time
	sleep     func(context.Context, time.Duration) error
	jitter    func() float64
	onRetry   func(error, time.Duration)
}

// New makes a client. It does not connect.
func New(service iothub.Service, opts Options) *Client {
	endpoint := opts.Endpoint
	if endpoint == nil {
		endpoint = &url.URL{Scheme: "https", Host: service.HostName}
	}
	c := &Client{
		service:   service,
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
	if c.userAgent == "" {
		c.userAgent = "latchd"
	}
	if c.timeout == 0 {
		c.timeout = time.Minute
	}
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
	transport := opts.Transport
	if transport == nil {
		transport = newTransport(opts.RootCAs)
	}
	if opts.Trace != nil {
		transport = &tracer{transport, opts.Trace, c.now}
	}
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// HostName returns the hub's name, as it stands in connection strings.
func (c *Client) HostName() string { return c.service.HostName }

// Address returns host:port of the endpoint that the client dials.
func (c *Client) Address() string { return c.address }

// Proxy returns host:port of the proxy that the environment has for the
// endpoint; empty: none.
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

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// hostForm is what a host name or an IP address is made of.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)

// ParseEndpoint reads the address of an endpoint: https://HOST[:PORT], or
// HOST[:PORT] alone.
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
		return nil, fmt.Errorf("endpoint %q: the scheme is %s; the service API is https only", text, u.Scheme)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("endpoint: want https://HOST:PORT with nothing after the port")
	}
	return &url.URL{Scheme: "https", Host: u.Host}, nil
}

// newTransport makes a transport for HTTP/1.1, which the official SDK speaks too:
// an HTTP/2 transport may send a request again by itself.
func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
			if res.StatusCode != http.StatusOK {
				return &proxyRefusal{proxy.Host, res.Status}
			}
			return nil
		},
	}
}

func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

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
