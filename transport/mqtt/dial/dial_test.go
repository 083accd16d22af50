package dial_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/latchd/latchd/transport/mqtt/dial"
	"github.com/latchd/latchd/transport/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echoServer sends back the data that it receives. It serves TLS and, at IoT Hub's
// path, WebSocket. The channel requests delivers the HTTP requests, and the channel
// certs delivers the number of certificates that each client sent.
type echoServer struct {
	*httptest.Server
	requests chan *http.Request
	certs    chan int // number of certificates that the client sent
}

func newEchoServer(t *testing.T, webSocket bool) *echoServer {
	t.Helper()

	e := &echoServer{requests: make(chan *http.Request, 1), certs: make(chan int, 1)}
	if webSocket {
		e.Server = httptest.NewUnstartedServer(http.HandlerFunc(e.upgrade))
		e.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		e.StartTLS()
		t.Cleanup(e.Close)
		return e
	}

	e.Server = httptest.NewTLSServer(nil) // only the certificate of this server is used
	e.Server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: e.TLS.Certificates, ClientAuth: tls.RequestClientCert})
	if err != nil {
		t.Fatal(err)
	}
	e.Listener = l
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if conn.(*tls.Conn).Handshake() == nil {
			e.certs <- len(conn.(*tls.Conn).ConnectionState().PeerCertificates)
			io.Copy(conn, conn)
		}
	}()

	t.Cleanup(func() { l.Close(); <-ended })
	return e
}

func (e *echoServer) upgrade(w http.ResponseWriter, r *http.Request) {
	e.requests <- r
	e.certs <- len(r.TLS.PeerCertificates)
	if r.URL.Path != "/$iothub/websocket" {
		http.NotFound(w, r)
		return
	}

	ws, err := (&websocket.Upgrader{Subprotocols: []string{"mqtt"}}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()

	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			return
		}
		switch string(message) {
		case "close": // send a WebSocket close message before closing
			ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
			return
		case "cut":
			return
		case "text":
			ws.WriteMessage(websocket.TextMessage, message)
			continue
		}
		for _, b := range message { // send each byte as one message, to check that the client joins the messages
			ws.WriteMessage(kind, []byte{b})
		}
	}
}

func (e *echoServer) server(t *testing.T) dial.Server {
	t.Helper()
	return dial.Server{
		Name: "hub", Address: e.Listener.Addr().String(),
		RootCAs: trust.Pool(e.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs),
	}
}

func echo(t *testing.T, conn net.Conn) {
	t.Helper()

	conn.SetDeadline(time.Now().Add(20 * time.Second))
	const text = "\x20\x02\x00\x00" // CONNACK, because a connection carries valid MQTT only
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Errorf("got %q, %v", got, err)
	}

	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestConnect tries TLS and WebSocket, each directly and through every kind of proxy
// that can carry it.
func TestConnect(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name      string
		webSocket bool
		proxy     string // the text PROXY is replaced by the proxy's address
		wantAuth  string
	}{
		{"TLS", false, "", ""},
		{"TLS by SOCKS", false, "socks5://PROXY", ""},
		{"TLS by SOCKS with a password", false, "socks5h://door:s3cret@PROXY", "door:s3cret"},
		{"WebSocket", true, "", ""},
		{"WebSocket by SOCKS", true, "socks5://PROXY", ""},
		{"WebSocket by HTTP", true, "http://PROXY", ""},
		{"WebSocket by HTTP with a password", true, "http://door:s3cret@PROXY/", "Basic ZG9vcjpzM2NyZXQ="},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEchoServer(t, test.webSocket)
			s := e.server(t)
			s.WebSocket = test.webSocket
			asked := make(chan proxyRequest, 1)
			if test.proxy != "" {
				address := newProxy(t, strings.HasPrefix(test.proxy, "http"), true, asked)
				var err error
				if s.Proxy, err = dial.ParseProxy(strings.Replace(test.proxy, "PROXY", address, 1)); err != nil {
					t.Fatal(err)
				}
			}
			conn, err := s.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			echo(t, conn)
			if n := <-e.certs; n != 0 {
				t.Errorf("the client sent %d certificates", n)
			}
			if test.webSocket {
				r := <-e.requests
				if got, want := r.URL.String(), "/$iothub/websocket?iothub-no-client-cert=true"; got != want {
					t.Errorf("requested %s, want %s", got, want)
				}
			}
			if test.proxy != "" {
				if got := <-asked; got != (proxyRequest{s.Address, test.wantAuth}) {
					t.Errorf("the proxy got the request %+v", got)
				}
			}
		})
	}
}

// Connect must send the device's certificate even if the server does not list its
// issuer. It must call Certificate again for each attempt.
func TestClientCertificate(t *testing.T) {
	t.Parallel()

	for _, webSocket := range []bool{false, true} {
		e := newEchoServer(t, webSocket)
		s := e.server(t)
		s.WebSocket = webSocket
		asked := 0
		s.Certificate = func() (tls.Certificate, error) { asked++; return e.TLS.Certificates[0], nil }
		conn, err := s.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		echo(t, conn)
		if n := <-e.certs; n != 1 || asked != 1 {
			t.Errorf("the client sent %d certificates and read them %d times", n, asked)
		}
		if webSocket {
			if r := <-e.requests; r.URL.RawQuery != "" {
				t.Errorf("the request says that the device has no certificate: %s", r.URL)
			}
		}
		s.Certificate = func() (tls.Certificate, error) { return tls.Certificate{}, os.ErrNotExist }
		_, err = s.Connect(t.Context())
		if want := "read the device's certificate: file does not exist"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestConnectFails(t *testing.T) {
	t.Parallel()

	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()

	for _, test := range []struct {
		name   string
		change func(t *testing.T, s *dial.Server)
		want   string // error after "hub at ADDRESS: "; PROXY stands for the proxy's address
	}{
		{"no WebSocket there", func(t *testing.T, s *dial.Server) {
			s.Dial = nil
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.StartTLS()
			t.Cleanup(server.Close)
			s.Address = server.Listener.Addr().String()
		}, "it answered the WebSocket request with 404 Not Found; check that the address belongs to an IoT Hub, and that no proxy answers instead of the hub"},
		{"no proxy there", func(t *testing.T, s *dial.Server) {
			s.Proxy = &url.URL{Scheme: "socks5", Host: nobody.Addr().String()}
		}, "the proxy at PROXY is not reachable: dial tcp PROXY: connect: connection refused; check the proxy's address and rules, and the network"},
		{"an HTTP proxy that refuses", func(t *testing.T, s *dial.Server) {
			s.Proxy = &url.URL{Scheme: "http", Host: newProxy(t, true, false, make(chan proxyRequest, 1))}
		}, "the proxy at PROXY did not connect to ADDRESS: it answered 403 Forbidden; check the proxy's address and rules, and the network"},
		{"a SOCKS proxy that refuses", func(t *testing.T, s *dial.Server) {
			s.Proxy = &url.URL{Scheme: "socks5", Host: newProxy(t, false, false, make(chan proxyRequest, 1))}
		}, "the proxy at PROXY did not connect to ADDRESS: socks connect tcp PROXY->ADDRESS: unknown error connection not allowed by ruleset; check the proxy's address and rules, and the network"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newEchoServer(t, true).server(t)
			s.WebSocket = true
			test.change(t, &s)
			conn, err := s.Connect(t.Context())
			if err == nil {
				conn.Close()
				t.Fatal("Connect succeeded")
			}
			want := "hub at " + s.Address + ": " + strings.ReplaceAll(test.want, "ADDRESS", s.Address)
			if s.Proxy != nil {
				want = strings.ReplaceAll(want, "PROXY", s.Proxy.Host)
			}
			if err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// When a WebSocket ends, Read must return the same errors as for a TCP connection that
// ends.
func TestWebSocketEnds(t *testing.T) {
	t.Parallel()

	for order, want := range map[string]error{"close": io.EOF, "cut": io.ErrUnexpectedEOF, "text": nil} {
		t.Run(order, func(t *testing.T) {
			s := newEchoServer(t, true).server(t)
			s.WebSocket = true
			conn, err := s.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			conn.Write([]byte(order))
			if _, err := conn.Read(make([]byte, 10)); err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
}

// Connect must return when its context ends, even if the server or the proxy is silent.
func TestContextEndsConnect(t *testing.T) {
	t.Parallel()

	for name, scheme := range map[string]string{"server": "", "SOCKS proxy": "socks5", "HTTP proxy": "http"} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { // accept a connection, read and never answer
				defer close(ended)
				if conn, err := l.Accept(); err == nil {
					conn.Read(make([]byte, 1))
					cancel()
					io.Copy(io.Discard, conn)
					conn.Close()
				}
			}()
			s := dial.Server{Name: "hub", Address: l.Addr().String(), WebSocket: true}
			if scheme != "" {
				s.Proxy = &url.URL{Scheme: scheme, Host: s.Address}
			}
			if _, err := s.Connect(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			<-ended
		})
	}
}

func TestParseProxy(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"socks5://proxy:1080":     "socks5://proxy:1080",
		"socks5h://proxy":         "socks5h://proxy:1080",
		"http://u:p@proxy/":       "http://u:p@proxy:80",
		"http://[::1]":            "http://[::1]:80",
		"https://proxy":           `the proxy's scheme is "https"; want socks5://HOST:PORT or http://HOST:PORT`,
		"proxy:1080":              `the proxy's scheme is "proxy"; want socks5://HOST:PORT or http://HOST:PORT`,
		"http://u:s3cret@proxy:x": "invalid proxy address; want socks5://HOST:PORT or http://HOST:PORT",
		"http://:80":              "invalid proxy address; want socks5://HOST:PORT or http://HOST:PORT, and nothing after it",
		"http://proxy/path":       "invalid proxy address; want socks5://HOST:PORT or http://HOST:PORT, and nothing after it",
	} {
		u, err := dial.ParseProxy(text)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// proxyRequest is a request that a simulated proxy received.
type proxyRequest struct{ address, auth string }

// newProxy starts a simulated proxy that accepts one connection. If willing is false,
// the proxy refuses to connect to the server.
func newProxy(t *testing.T, isHTTP, willing bool, asked chan<- proxyRequest) (address string) {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var a proxyRequest
		if isHTTP {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil || r.Method != http.MethodConnect {
				t.Errorf("proxy: %v, %v", r, err)
				return
			}
			a = proxyRequest{r.Host, r.Header.Get("Proxy-Authorization")}
			if !willing {
				io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\n\r\n")
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		} else if a, err = socks(conn, willing); err != nil {
			if willing {
				t.Errorf("proxy: %v", err)
			}
			return
		}
		asked <- a
		server, err := net.Dial("tcp", a.address)
		if err != nil {
			t.Errorf("proxy: %v", err)
			return
		}
		back := make(chan struct{})
		go func() { defer close(back); io.Copy(conn, server); conn.Close() }()
		io.Copy(server, conn)
		server.Close()
		<-back
	}()

	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

// socks simulates a SOCKS5 proxy, as described in RFC 1928 and RFC 1929.
func socks(conn net.Conn, willing bool) (proxyRequest, error) {
	var a proxyRequest
	read := func(n int) []byte {
		b := make([]byte, n)
		io.ReadFull(conn, b)
		return b
	}

	methods := read(int(read(2)[1]))
	if strings.Contains(string(methods), "\x02") {
		conn.Write([]byte{5, 2})
		user := read(int(read(2)[1]))
		a.auth = string(user) + ":" + string(read(int(read(1)[0])))
		conn.Write([]byte{1, 0})
	} else {
		conn.Write([]byte{5, 0})
	}

	if request := read(4); request[1] != 1 || request[3] != 1 {
		return a, errors.New("not CONNECT to an IPv4 address")
	}
	ip, port := net.IP(read(4)), read(2)
	a.address = (&net.TCPAddr{IP: ip, Port: int(port[0])<<8 | int(port[1])}).String()
	if !willing {
		conn.Write([]byte{5, 2, 0, 1, 0, 0, 0, 0, 0, 0})
		return a, errors.New("the proxy is unwilling")
	}

	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return a, nil
}
