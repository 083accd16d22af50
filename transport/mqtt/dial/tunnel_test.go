package dial_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The header of a proxy's answer to CONNECT with a code of 2xx ends the answer, whatever
// the header says about a body (RFC 9110, section 9.3.6).
func TestTunnelAnswers(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		answer string
		want   string // the proxy's part of the error; empty if the tunnel must work
	}{
		"plain":                {"HTTP/1.1 200 OK\r\n\r\n", ""},
		"HTTP/1.0, no reason":  {"HTTP/1.0 200\r\n\r\n", ""},
		"another 2xx":          {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
		"gzip":                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ""},
		"length":               {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", ""},
		"two lengths":          {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", ""},
		"informational before": {"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""},
		"refusal with a body":  {"HTTP/1.1 407 Proxy Authentication Required\r\nTransfer-Encoding: chunked\r\n\r\n", "it answered 407 Proxy Authentication Required"},
		"redirect":             {"HTTP/1.1 302 Found\r\n\r\n", "it answered 302 Found"},
		"no HTTP":              {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "its answer is not HTTP"},
		"closed":               {"", "it closed the connection before it answered"},
		"cut":                  {"HTTP/1.1 200 OK\r\nVia: a", "it closed the connection before it answered"},
		"endless header":       {"HTTP/1.1 200 OK\r\nVia: " + strings.Repeat("x", 70_000), "the header of its answer is larger than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newEchoServer(t, true).server(t)
			s.WebSocket = true
			proxy := newTunnel(t, test.answer)
			s.Proxy = &url.URL{Scheme: "http", Host: proxy}

			conn, err := s.Connect(t.Context())
			if err == nil {
				echo(t, conn)
			}

			want := ""
			if test.want != "" {
				want = "hub at " + s.Address + ": the proxy at " + proxy + " did not connect to " + s.Address + ": " + test.want +
					"; check the proxy's address and rules, and the network"
			}
			if (err == nil) != (want == "") || err != nil && err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// newTunnel starts an HTTP proxy for one connection. It sends the given answer. If the
// header of the answer is complete and its code is not an error, it then connects the
// client to the server, otherwise it closes its side of the connection.
func newTunnel(t *testing.T, answer string) (address string) {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()

		request, err := http.ReadRequest(bufio.NewReader(client))
		if err != nil {
			t.Errorf("proxy: %v", err)
			return
		}
		io.WriteString(client, answer)
		if !strings.HasSuffix(answer, "\r\n\r\n") || !strings.Contains(answer, " 20") {
			client.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, client)
			return
		}

		server, err := net.Dial("tcp", request.Host)
		if err != nil {
			t.Errorf("proxy: %v", err)
			return
		}
		back := make(chan struct{})
		go func() { defer close(back); io.Copy(client, server); client.Close() }()
		io.Copy(server, client)
		server.Close()
		<-back
	}()

	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

// Connect names the status of a server that refuses the WebSocket request but never sends
// the body of its answer.
func TestWebSocketAnswerWithoutItsBody(t *testing.T) {
	e := newEchoServer(t, true)
	certificates := e.TLS.Certificates

	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			conn := tls.Server(server, &tls.Config{Certificates: certificates})
			defer conn.Close()
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				t.Errorf("server: %v", err)
				return
			}
			io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\n")
			io.Copy(io.Discard, conn)
		}()

		s := e.server(t)
		s.WebSocket = true
		s.Now = func() time.Time { return e.Certificate().NotBefore.Add(time.Hour) }
		s.Dial = func(context.Context, string, string) (net.Conn, error) { return client, nil }
		_, err := s.Connect(t.Context())
		want := "hub at " + s.Address + ": it answered the WebSocket request with 403 Forbidden; " +
			"check that the address belongs to an IoT Hub, and that no proxy answers instead of the hub"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		<-ended
	})
}
