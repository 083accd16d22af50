package mqtt_test

import (
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// Try must return the error that Run would log. It must close the link after a
// successful attempt.
func TestTry(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) {
		p.connack = func(n int) byte {
			return []byte{packets.Accepted, packets.ErrRefusedIDRejected}[n]
		}
	})

	opts := mqtt.Options{
		Device:   iothub.Device{HostName: "localhost", DeviceID: "d1", Key: iothub.Key("k")},
		Endpoint: p.address, RootCAs: trust.Pool(p.roots),
	}

	if err := mqtt.Try(t.Context(), opts); err != nil {
		t.Errorf("accepted: %v", err)
	}
	s := p.next(t)
	wantPacket[*packets.DisconnectPacket](t, s)
	closed(t, s.gone, "the connection")
	want := "hub at " + p.address + `: it refused the client id "d1"; check the device id`
	if err := mqtt.Try(t.Context(), opts); err == nil || err.Error() != want {
		t.Errorf("refused: got %v, want %s", err, want)
	}

	if err := mqtt.Try(t.Context(), mqtt.Options{}); err == nil {
		t.Error("Try accepted options without a device")
	}
}
