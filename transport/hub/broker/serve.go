package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Serve takes links from listener, which yields TLS connections, or anything
// that is a net.Conn, until Close is called; it closes the listener and returns
// nil. Several listeners can be served at once. A client certificate is found
// in connections that have a ConnectionState method, as *tls.Conn does.
func (b *Broker) Serve(listener net.Listener) error {
	defer listener.Close()
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		return nil
	}
	b.listeners[listener] = struct{}{}
	b.wg.Add(1)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.listeners, listener)
		b.mu.Unlock()
		b.wg.Done()
	}()

	var pause time.Duration
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			pause = 0
			b.wg.Go(func() { b.run(conn) })
		case b.ctx.Err() != nil:
			return nil
		case passing(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			b.log.Warn("cannot take a connection, trying again", zap.Error(err), zap.Duration("pause", pause))
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

// passing reports whether Accept may succeed later: descriptors or memory are
// short, or the peer was gone already.
func passing(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// run serves one connection to its end.
func (b *Broker) run(conn net.Conn) {
	l := &link{Conn: conn, writeTimeout: b.opts.WriteTimeout, ended: make(chan struct{}), inbound: inbound{room: b.room, lobby: b.lobby}}
	defer close(l.ended)
	defer l.inbound.release()
	defer conn.Close()
	if !b.registry.add(l) {
		return
	}
	defer b.registry.remove(l)

	// The MQTT server moves the reading part on once CONNECT was read.
	l.readDeadline = time.Now().Add(b.opts.ConnectTimeout)
	_ = conn.SetDeadline(l.readDeadline)
	certificates, err := handshake(b.ctx, conn)
	if err != nil {
		b.log.Debug("TLS handshake failed", zap.Stringer("remote", conn.RemoteAddr()), zap.Error(err))
		return
	}
	if len(certificates) > 0 {
		l.login.Shown = access.Shown{Leaf: certificates[0], Intermediates: certificates[1:]}
	}

	err = b.server.EstablishConnection("", l)
	l.close("the device ended it")
	b.leave(l, err)
}

// handshake ends the TLS handshake and returns the certificates that were shown.
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

// leave does what is to be done when a link has ended, before its device's id
// is free for the next.
func (b *Broker) leave(l *link, err error) {
	// The MQTT server forgets a client by itself, but not if CONNACK could not be sent.
	if cl, ok := b.server.Clients.Get(l.deviceID); ok && cl.Net.Conn == l {
		b.server.UnsubscribeClient(cl)
		b.server.Clients.Delete(l.deviceID)
	}
	if !l.established {
		return
	}
	l.expiry.Stop()
	b.registry.setReady(l, subscriptions{})
	if l.will != nil && !l.farewell && b.ctx.Err() == nil {
		bag := append(l.will.request.bag, iothub.Property{Name: "iothub-MessageType", Value: "Will"})
		if err := b.backend.Event(b.ctx, l.deviceID, retained(bag, l.will.retain), l.will.payload); err != nil {
			b.log.Warn("a will could not be delivered", zap.String("device", l.deviceID), zap.Error(err))
		}
	}
	if !l.isRegistration() {
		b.backend.Connection(l.deviceID, false, l.modelID)
	}
	b.log.Debug("link closed", zap.String("device", l.deviceID), zap.String("reason", *l.reason.Load()), zap.NamedError("cause", err))
}
