package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// Serve accepts connections from listener until Close is called. It then closes the
// listener and returns nil. Call Serve once for each listener, from separate
// goroutines. If a connection has a ConnectionState method, like *tls.Conn, the broker
// gets the client's certificates from it.
func (b *Broker) Serve(listener net.Listener) error {
	defer listener.Close()
	if !b.addListener(listener) {
		return nil
	}
	defer b.removeListener(listener)

	var pause time.Duration
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			pause = 0
			b.wg.Go(func() { b.run(conn) })

		case b.ctx.Err() != nil:
			return nil

		case isTemporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			b.remoteLog.Warn("cannot accept a connection; trying again", zap.Error(err), zap.Duration("pause", pause))
			select {
			case <-time.After(pause):
			case <-b.ctx.Done():
				return nil
			}

		default:
			return fmt.Errorf("accept device connections: %w", err)
		}
	}
}

// addListener records a listener, so that Close can close it. It returns false if the
// broker is closed.
func (b *Broker) addListener(listener net.Listener) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return false
	}
	b.listeners[listener] = struct{}{}
	b.wg.Add(1)
	return true
}

func (b *Broker) removeListener(listener net.Listener) {
	b.mu.Lock()
	delete(b.listeners, listener)
	b.mu.Unlock()
	b.wg.Done()
}

// isTemporary reports whether Accept may succeed again after it failed with err. Such
// failures occur when the process has no free descriptors or memory, or when a client
// closes its connection too early.
func isTemporary(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// readBuffer is the size in bytes of a connection's buffer. Most packets fit.
const readBuffer = 512

// run serves one connection until the connection ends.
func (b *Broker) run(conn net.Conn) {
	l := &link{Conn: conn, buffered: bufio.NewReaderSize(conn, readBuffer), writeTimeout: b.opts.WriteTimeout, ended: make(chan struct{}),
		inbound: inbound{largePackets: b.largePackets, largeFirstPackets: b.largeFirstPackets}}
	defer close(l.ended)
	defer l.inbound.release()
	defer l.outbox.close()
	defer conn.Close()
	if !b.links.add(l) {
		return
	}
	defer b.links.remove(l)

	// readPackets sets a later read deadline after CONNECT.
	l.readDeadline = time.Now().Add(b.opts.ConnectTimeout)
	_ = conn.SetDeadline(l.readDeadline)
	if onOtherStack(func() error { return b.open(l) }) != nil {
		return
	}
	err := b.readPackets(l)
	l.close("the device closed it, was silent for too long or violated the protocol")
	b.cleanUp(l, err)
}

// open completes the TLS handshake.
func (b *Broker) open(l *link) error {
	certificates, err := handshake(b.ctx, l.Conn)
	if err != nil {
		b.remoteLog.Debug("TLS handshake failed", zap.Stringer(logtext.Address, l.RemoteAddr()), zap.Error(err))
		return err
	}
	if len(certificates) > 0 {
		l.login.Chain = access.Chain{Leaf: certificates[0], Intermediates: certificates[1:]}
	}

	l.client = b.server.NewClient(l, "", "", false)
	return nil
}

// readPackets reads and handles the device's packets, one after the other, until the
// connection ends.
func (b *Broker) readPackets(l *link) error {
	for {
		if err := l.awaitPacket(); err != nil {
			return err
		}
		if err := onOtherStack(func() error { return b.readPacket(l) }); err != nil || l.disconnectSeen {
			return err
		}
		if err := l.SetDeadline(time.Now().Add(l.maxSilence)); err != nil {
			return err
		}
	}
}

// onOtherStack calls work in a new goroutine and waits for it. The goroutine of an idle
// connection keeps the stack that its deepest call needed. It therefore calls only
// functions that need little.
func onOtherStack(work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	return <-done
}

// handshake completes the TLS handshake and returns the certificates that the client
// sent.
func handshake(ctx context.Context, conn net.Conn) ([]*x509.Certificate, error) {
	if c, ok := conn.(interface{ HandshakeContext(context.Context) error }); ok {
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, err
		}
	}
	if c, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		return c.ConnectionState().PeerCertificates, nil
	}
	return nil, nil
}

// cleanUp runs when a connection has ended, before another connection of the device can
// take over. It sends the device's will and reports the disconnect to the backend.
func (b *Broker) cleanUp(l *link, err error) {
	if !l.established {
		return
	}

	l.expiry.Stop()
	b.links.setReady(l, subscriptions{})
	if l.will != nil && !l.disconnectSeen && b.ctx.Err() == nil {
		bag := append(l.will.request.bag, iothub.Property{Name: "iothub-MessageType", Value: "Will"})
		if err := b.backend.Event(b.ctx, l.deviceID, withRetain(bag, l.will.retain), l.will.payload); err != nil {
			b.remoteLog.Warn("cannot store the device's will", zap.String("device_id", l.deviceID), zap.Error(err))
		}
	}

	if !l.isRegistration() {
		b.backend.Connection(l.deviceID, false, l.modelID)
	}
	b.log.Debug("device disconnected", zap.String("device_id", l.deviceID), zap.String("reason", logtext.Cut(*l.reason.Load())), zap.NamedError("cause", err))
}
