package dial

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/net/proxy"
)

// ParseProxy reads a proxy's address: socks5://HOST[:PORT] or http://HOST[:PORT],
// with USER:PASSWORD@ before the host if need be. SOCKS proxies look up the
// hub's name themselves, for socks5 as for socks5h.
func ParseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil { // its text has the address, and with it perhaps a password
		return nil, errors.New("the proxy is not an address; want socks5://HOST:PORT or http://HOST:PORT")
	}
	port := ""
	switch u.Scheme {
	case "socks5", "socks5h":
		port = "1080"
	case "http":
		port = "80"
	default:
		return nil, fmt.Errorf("the proxy's scheme is %q; want socks5://HOST:PORT or http://HOST:PORT", u.Scheme)
	}
	if u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("the proxy is not an address; want socks5://HOST:PORT or http://HOST:PORT, and nothing after it")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	u.Path = ""
	return u, nil
}

// reach opens the connection that TLS goes over.
func (s Server) reach(ctx context.Context) (net.Conn, error) {
	if s.Proxy == nil {
		return s.dialTCP(ctx, "tcp", s.Address)
	}
	toProxy := dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dialTCP(ctx, network, address)
		if err != nil {
			err = &proxyError{"cannot be reached", err}
		}
		return conn, err
	})
	if s.Proxy.Scheme == "http" {
		conn, err := toProxy(ctx, "tcp", s.Proxy.Host)
		if err != nil {
			return nil, err
		}
		if err := s.tunnel(ctx, conn); err != nil {
			conn.Close()
			return nil, &proxyError{"does not connect to " + s.Address, err}
		}
		return conn, nil
	}
	var auth *proxy.Auth
	if user := s.Proxy.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	socks, err := proxy.SOCKS5("tcp", s.Proxy.Host, auth, toProxy)
	if err != nil {
		return nil, err
	}
	conn, err := socks.(proxy.ContextDialer).DialContext(ctx, "tcp", s.Address)
	var known *proxyError
	if err != nil && !errors.As(err, &known) {
		err = &proxyError{"does not connect to " + s.Address, orContext(ctx, err)}
	}
	return conn, err
}

// tunnel asks an HTTP proxy to pass on what comes next to the server.
func (s Server) tunnel(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	request := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: s.Address}, Host: s.Address, Header: make(http.Header),
	}
	if user := s.Proxy.User; user != nil {
		password, _ := user.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return orContext(ctx, err)
	}
	// The server says nothing before the client does, so that nothing of it can
	// be in the reader's buffer.
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return orContext(ctx, err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

// orContext returns why ctx ended, if it has: that is what closed the connection.
func orContext(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (s Server) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	if s.Dial != nil {
		return s.Dial(ctx, network, address)
	}
	// MQTT's ping finds dead links; TCP's own keep-alive would only wake the radio.
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
}

// dialFunc is a function as the proxy package wants it.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) Dial(network, address string) (net.Conn, error) {
	return f(context.Background(), network, address)
}

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// proxyError is what went wrong at the proxy, not at the server.
type proxyError struct {
	what  string
	cause error
}

func (e *proxyError) Error() string { return e.what + ": " + e.cause.Error() }
func (e *proxyError) Unwrap() error { return e.cause }
