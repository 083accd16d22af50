package dial

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/proxy"

	"github.com/latchd/latchd/transport/addresses"
)

// maxTunnelAnswer limits how many bytes of a proxy's answer to CONNECT are read.
const maxTunnelAnswer = 64 << 10

// ParseProxy parses the address of a proxy: socks5://HOST[:PORT] or http://HOST[:PORT].
// USER:PASSWORD@ may precede the host. A SOCKS proxy itself looks up the hub's name, so
// socks5h means the same as socks5.
func ParseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil { // err would quote the address, which may contain a password
		return nil, errors.New("invalid proxy address; want socks5://HOST:PORT or http://HOST:PORT")
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
		return nil, errors.New("invalid proxy address; want socks5://HOST:PORT or http://HOST:PORT, and nothing after it")
	}

	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	u.Path = ""
	return u, nil
}

// openTCP opens a TCP connection to the server, directly or through the proxy.
func (s Server) openTCP(ctx context.Context) (net.Conn, error) {
	if s.Proxy == nil {
		return s.dialTCP(ctx, "tcp", s.Address)
	}

	toProxy := dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dialTCP(ctx, network, address)
		if err != nil {
			err = &proxyError{"is not reachable", err}
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
			return nil, &proxyError{"did not connect to " + s.Address, err}
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
	if err == nil {
		return conn, nil
	}
	if _, ok := errors.AsType[*proxyError](err); !ok {
		err = &proxyError{"did not connect to " + s.Address, orContext(ctx, err)}
	}
	return nil, err
}

// tunnel asks an HTTP proxy to connect to the server and to forward all further data.
// It uses the HTTP method CONNECT.
func (s Server) tunnel(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	request := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: s.Address},
		Host:   s.Address,
		Header: make(http.Header),
	}
	if user := s.Proxy.User; user != nil {
		password, _ := user.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return orContext(ctx, err)
	}

	answer, err := readTunnelAnswer(conn)
	if err != nil {
		return orContext(ctx, err)
	}
	if answer.code < 200 || answer.code > 299 {
		return fmt.Errorf("it answered %s", answer.status)
	}
	return nil
}

// tunnelAnswer is a proxy's answer to CONNECT.
type tunnelAnswer struct {
	code   int
	status string // code and reason, such as "403 Forbidden"
}

// readTunnelAnswer reads a proxy's answer to CONNECT, and skips informational answers
// before it. An answer with a code of 2xx has no body: the tunnel begins right after its
// header. A Content-Length or Transfer-Encoding has no meaning there (RFC 9110, section
// 9.3.6), so readTunnelAnswer looks at no field of the header. It reads at most
// maxTunnelAnswer bytes.
//
// The buffered reader cannot swallow data from the server, because the server sends
// nothing before the client does.
func readTunnelAnswer(conn io.Reader) (tunnelAnswer, error) {
	limited := &io.LimitedReader{R: conn, N: maxTunnelAnswer}
	lines := textproto.NewReader(bufio.NewReader(limited))

	for {
		first, err := lines.ReadLine()
		for line := first; err == nil && line != ""; {
			line, err = lines.ReadLine()
		}
		switch {
		case err != nil && limited.N <= 0:
			return tunnelAnswer{}, fmt.Errorf("the header of its answer is larger than %d bytes", maxTunnelAnswer)
		case errors.Is(err, io.EOF):
			return tunnelAnswer{}, errors.New("it closed the connection before it answered")
		case err != nil:
			return tunnelAnswer{}, err
		}

		version, status, _ := strings.Cut(first, " ")
		code, _, _ := strings.Cut(status, " ")
		answer := tunnelAnswer{status: status}
		if answer.code, err = strconv.Atoi(code); err != nil || !strings.HasPrefix(version, "HTTP/1.") {
			return tunnelAnswer{}, errors.New("its answer is not HTTP")
		}
		if answer.code < 100 || answer.code > 199 {
			return answer, nil
		}
	}
}

// orContext returns err, or the reason why ctx ended if ctx has ended. In the second
// case err says only that the connection is closed, because the end of ctx closes it.
func orContext(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// dialTCP opens a TCP connection to the server or the proxy. A function s.Dial without
// s.Lookup looks up names itself.
func (s Server) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	if s.Dial != nil && s.Lookup == nil {
		return s.Dial(ctx, network, address)
	}
	return addresses.Connect(ctx, address, s.Addresses, s.Lookup, func(ctx context.Context, ip string) (net.Conn, error) {
		return s.dialAddress(ctx, network, ip)
	})
}

// dialAddress opens a TCP connection to an IP address.
func (s Server) dialAddress(ctx context.Context, network, address string) (net.Conn, error) {
	if s.Dial != nil {
		return s.Dial(ctx, network, address)
	}

	// TCP keep-alive is off, because MQTT pings already detect dead connections.
	// Keep-alive packets would only wake a mobile radio.
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
}

// dialFunc adapts a dial function to the interfaces of the proxy package.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) Dial(network, address string) (net.Conn, error) {
	return f(context.Background(), network, address)
}

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// proxyError means that the proxy, not the server, caused a failure.
type proxyError struct {
	problem string // what the proxy did, such as "is not reachable"
	cause   error
}

func (e *proxyError) Error() string { return e.problem + ": " + e.cause.Error() }
func (e *proxyError) Unwrap() error { return e.cause }
