package provisioning

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// If a device is moved to another hub, it must find the new hub by itself. The old hub
// refuses the device three times. Then the device must ask the provisioning service and
// connect to the new hub.
func TestMovedToAnotherHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, assigned("two.example", "door-1"))
		logins := make(chan string, 20)
		one, roots := certificate(t, "one.example")
		two, _ := certificate(t, "two.example")
		if parsed, err := x509.ParseCertificate(two.Certificate[0]); err == nil {
			roots.AddCert(parsed)
		}
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "service.example:8883" {
				return s.dial(ctx, network, address)
			}
			logins <- address
			ours, theirs := net.Pipe()
			cert, code := two, byte(packets.Accepted)
			if address == "one.example:8883" {
				cert, code = one, packets.ErrRefusedNotAuthorised
			}
			go fakeHub(tls.Server(buffer(theirs), &tls.Config{Certificates: []tls.Certificate{cert}}), code)
			return buffer(ours), nil
		}
		old := Assignment{Endpoint: "service.example", IDScope: "0ne1", RegistrationID: "door-1", Hub: "one.example", DeviceID: "door-1"}
		k := &Locator{Options: s.options(), Assignment: old}
		ctx, end := context.WithCancel(t.Context())
		defer end()
		start := time.Now()
		linked := time.Duration(0)
		err := mqtt.Run(ctx, mqtt.Options{Locate: k.Locate, RootCAs: trust.Pool(roots), Dial: dial, Rand: func() float64 { return 0.5 }},
			func(ctx context.Context, _ *mqtt.Link) error {
				linked = time.Since(start)
				end()
				<-ctx.Done()
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		if want := (15 + 30 + 45) * time.Second; linked != want {
			t.Errorf("linked after %s, want %s", linked, want)
		}
		for _, want := range []string{"one.example:8883", "one.example:8883", "one.example:8883", "two.example:8883"} {
			if got := <-logins; got != want {
				t.Errorf("login at %s, want %s", got, want)
			}
		}
		if k.Assignment.Hub != "two.example" {
			t.Errorf("assigned to %s", k.Assignment.Hub)
		}
		time.Sleep(time.Second) // wait until paho's goroutines for the link have ended
	})
}

// fakeHub is a simulated hub that answers CONNECT with the given code and grants all
// subscriptions.
func fakeHub(conn *tls.Conn, code byte) {
	defer conn.Close()
	for {
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		switch packet := packet.(type) {
		case *packets.ConnectPacket:
			ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
			ack.ReturnCode = code
			ack.Write(conn)
		case *packets.SubscribePacket:
			ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			ack.MessageID, ack.ReturnCodes = packet.MessageID, make([]byte, len(packet.Topics))
			ack.Write(conn)
		}
	}
}
