package mqtt_test

import (
	"strings"
	"testing"
	"time"
)

// If the hub announces a packet of 256 MiB, the device must close the link. It must not
// allocate memory for the packet.
func TestPacketTooLarge(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	if _, err := s.conn.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}); err != nil {
		t.Fatal(err)
	}
	receiveEnd(t, link.ctx)
	d.clock.fire(t, 500*time.Millisecond)
	p.next(t)
	if why := d.link(t).LastError(); !strings.Contains(why, "a packet of 268435455 bytes; at most 1048576 are accepted") {
		t.Errorf("last error %q", why)
	}
}
