package broker

import (
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bounds of what devices can make the hub hold. The MQTT server takes room for a
// whole packet as soon as it has read its length, so it is not to see one that
// the hub has no room for.
const (
	// maxConnect is the greatest first packet: a will of the greatest size and
	// generous texts. Nobody has logged in yet who sends it.
	maxConnect = 72 << 10

	// largePacket is the size from which on a packet counts towards largePackets,
	// the room for all that are on their way.
	largePacket  = 8 << 10
	largePackets = 64 << 20

	// firstPackets is the room for large first packets: strangers share it, and
	// take none of what devices have.
	firstPackets = 16 << 20

	// packetTime is how long a packet may take from its first byte to its last,
	// where keepalive does not end the link before: 256 KiB at 35 kbit/s.
	packetTime = time.Minute
)

var (
	errFirstPacket = errors.New("its first packet is too large")
	errNoRoom      = errors.New("too many large packets are on their way")
	errLength      = errors.New("a packet's length has more than four bytes")
)

// inbound follows the packets in a link's stream: where each begins, and how
// long it says that it is. It belongs to the link's reading goroutine.
type inbound struct {
	room  *semaphore.Weighted // of all links, for large packets
	lobby *semaphore.Weighted // and for large first packets

	packets int // that have begun
	inside  inboundPart
	left    int   // bytes of the packet's rest
	shift   uint  // of the next byte of the length
	held    int64 // room taken for the packet at hand, in
	heldIn  *semaphore.Weighted
	due     time.Time // when the packet at hand must be whole
}

type inboundPart uint8

const (
	betweenPackets inboundPart = iota
	inLength
	inRest
)

// take goes on by the bytes that were read.
func (in *inbound) take(p []byte, now time.Time) error {
	for len(p) > 0 {
		switch in.inside {
		case betweenPackets:
			in.release()
			in.packets++
			in.inside, in.left, in.shift, in.due = inLength, 0, 0, now.Add(packetTime)
			p = p[1:]
		case inLength:
			if in.shift > 21 {
				return errLength
			}
			in.left |= int(p[0]&0x7f) << in.shift
			in.shift += 7
			if p[0]&0x80 == 0 {
				if err := in.admit(); err != nil {
					return err
				}
				in.inside = inRest
			}
			p = p[1:]
		case inRest:
			n := min(in.left, len(p))
			in.left -= n
			p = p[n:]
		}
		if in.inside == inRest && in.left == 0 {
			in.inside = betweenPackets
		}
	}
	return nil
}

// admit decides on a packet whose length is known.
func (in *inbound) admit() error {
	if in.packets == 1 && in.left > maxConnect {
		return errFirstPacket
	}
	if in.left >= largePacket && in.left <= maxPacket { // the MQTT server refuses larger ones
		in.heldIn = in.room
		if in.packets == 1 {
			in.heldIn = in.lobby
		}
		if !in.heldIn.TryAcquire(int64(in.left)) {
			return errNoRoom
		}
		in.held = int64(in.left)
	}
	return nil
}

// release gives the room back: the packet was handled, or the link has ended.
func (in *inbound) release() {
	if in.held > 0 {
		in.heldIn.Release(in.held)
		in.held = 0
	}
}

// Read reads for the MQTT server. Within a packet it waits for no longer than the
// packet may take.
func (l *link) Read(p []byte) (int, error) {
	if l.inbound.inside == betweenPackets {
		l.inbound.release() // more is asked for once all that was read is handled
	} else if l.inbound.due.Before(l.readDeadline) {
		if err := l.SetDeadline(l.inbound.due); err != nil {
			return 0, err
		}
	}
	n, err := l.Conn.Read(p)
	if tooMuch := l.inbound.take(p[:n], time.Now()); tooMuch != nil {
		l.close(tooMuch.Error())
		return 0, tooMuch
	}
	return n, err
}

// SetDeadline takes the MQTT server's keepalive deadline for reading alone:
// writes have their own. The server moves it on with each packet.
func (l *link) SetDeadline(t time.Time) error {
	l.readDeadline = t
	return l.Conn.SetReadDeadline(t)
}
