package dial_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/addresses"
)

// A connection that was not confirmed to work makes the next one begin with another
// address, at whatever step it failed.
func TestAddressesRotate(t *testing.T) {
	t.Parallel()

	e := newEchoServer(t, true)
	certificates := &tls.Config{Certificates: e.TLS.Certificates}
	_, port, _ := net.SplitHostPort(e.Listener.Addr().String())

	// Each address of the host has the same port. The first three accept TCP.
	silent, closing, unconfirmed := listenAt(t, "127.0.0.2:"+port), listenAt(t, "127.0.0.3:"+port), listenAt(t, "127.0.0.4:"+port)
	go accept(silent, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	go accept(closing, func(net.Conn) {})
	go accept(unconfirmed, func(conn net.Conn) { tls.Server(conn, certificates).Handshake(); conn.Read(make([]byte, 1)) })
	const refusing = "127.0.0.5"

	s := e.server(t)
	s.Addresses = new(addresses.Memory)
	s.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, address := range []string{refusing, "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"} {
			all = append(all, netip.MustParseAddr(address))
		}
		return all, nil
	}
	var peers []string
	attempt := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := s.Connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		peers = append(peers, host)
		return nil
	}

	if err := attempt(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the silent address: %v", err)
	}
	if err := attempt(); err == nil {
		t.Error("the closing address works")
	}
	for range 2 {
		if err := attempt(); err != nil {
			t.Error(err)
		}
	}
	s.Addresses.Works() // the connection to 127.0.0.1
	if err := attempt(); err != nil {
		t.Error(err)
	}
	if want := []string{"127.0.0.4", "127.0.0.1", "127.0.0.1"}; !slices.Equal(peers, want) {
		t.Errorf("connected to %v, want %v", peers, want)
	}
}

func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accept serves connections, one after the other, until the listener is closed.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		serve(conn)
		conn.Close()
	}
}
