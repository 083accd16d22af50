package hub

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/admission"
	"github.com/latchd/latchd/transport/logtext"
)

// listeners are the hub's open TCP listeners.
type listeners struct {
	mqtt, https net.Listener
	metrics     net.Listener // nil if the hub serves no metrics
}

// listenAll opens the listeners that opts require. If it cannot open one of them, it
// closes the others.
func listenAll(opts Options) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()

	if l.mqtt, err = opts.listen("MQTT", "--mqtt", opts.MQTTAddr); err != nil {
		return l, err
	}
	if l.https, err = opts.listen("HTTPS", "--https", opts.HTTPSAddr); err != nil {
		return l, err
	}
	if opts.Metrics != "" {
		l.metrics, err = opts.listen("metrics", "--metrics", opts.Metrics)
	}
	return l, err
}

func (l listeners) close() {
	for _, listener := range []net.Listener{l.mqtt, l.https, l.metrics} {
		if listener != nil {
			listener.Close()
		}
	}
}

func (l listeners) addresses() Addresses {
	a := Addresses{MQTT: l.mqtt.Addr(), HTTPS: l.https.Addr()}
	if l.metrics != nil {
		a.Metrics = l.metrics.Addr()
	}
	return a
}

// deviceHostName returns the host name to which a provisioned device connects, for MQTT
// or for MQTT over WebSocket. It appends the port if that is not the protocol's default
// port.
func (l listeners) deviceHostName(hubName string, webSocket bool) string {
	addr, defaultPort := l.mqtt.Addr(), "8883"
	if webSocket {
		addr, defaultPort = l.https.Addr(), "443"
	}

	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || port == defaultPort {
		return hubName
	}
	return hubName + ":" + port
}

// serviceHostName returns the host name and the port to which a service connects.
func (l listeners) serviceHostName(hubName string) string { return l.deviceHostName(hubName, true) }

// listen opens a TCP listener on addr. An error names the listener's purpose and the
// flag that sets its address.
func (opts Options) listen(purpose, flag, addr string) (net.Listener, error) {
	l, err := opts.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s listener: %s is in use by another program; stop that program or choose another port with %s", purpose, addr, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s listener: no permission to listen on %s; choose a port from 1024 on with %s", purpose, addr, flag)
	case err != nil:
		return nil, fmt.Errorf("%s listener: %w; set another address with %s", purpose, err, flag)
	}
	return l, nil
}

// newServer returns an HTTP server without HTTP/2. No client of IoT Hub needs HTTP/2, and
// with it a stranger could open many streams on one connection.
func newServer(handler http.Handler, connState func(net.Conn, http.ConnState), logger *zap.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)

	return &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ConnContext:       admission.ConnContext,
		ConnState:         connState,
		ReadHeaderTimeout: 20 * time.Second,
		// The time for a request with its body. The server removes this deadline when the
		// body has ended, so answers may take longer.
		ReadTimeout: time.Minute,
		// Clients reuse idle connections, so the server keeps them open. If it closed
		// them after a few seconds, it could cut off a request that a client has just
		// sent. Connections of clients that have not logged in end earlier; see
		// admission.LoginTime.
		IdleTimeout:    10 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       log.New(serverLog{logtext.Remote(logger.Named("https"))}, "", 0),
	}
}

// serverLog writes the messages of an HTTP server to the hub's log. Strangers cause most
// of these messages.
type serverLog struct{ log *zap.Logger }

func (l serverLog) Write(message []byte) (int, error) {
	text := strings.TrimSpace(string(message))
	if handshake, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		address, cause, _ := strings.Cut(handshake, ": ")
		l.log.Debug("TLS handshake failed", zap.String(logtext.Address, address), zap.String("error", cause))
		return len(message), nil
	}

	l.log.Warn("the HTTP server reports a problem", zap.String("error", text))
	return len(message), nil
}

// checkLoopback checks that addr is HOST:PORT and that HOST is a loopback address.
// Metrics need no login, so other machines must not reach them.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("metrics: the address is %q, want HOST:PORT", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("metrics: %s is not a loopback address; choose one such as 127.0.0.1:9464 with --metrics", addr)
	}
	return nil
}
