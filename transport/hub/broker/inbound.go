package broker

import (
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// Limits on the memory that clients can make the hub allocate. The MQTT server
// allocates memory for a whole packet when it has read the packet's length, so the
// broker must stop a packet that is too large before the server sees it.
const (
	// maxConnect is the size of the largest first packet, a CONNECT with a large
	// will. The client that sends it has not logged in yet.
	maxConnect = 72 << 10

	// largePacket is the size from which a packet needs bytes from one of the two
	// semaphores below. Smaller packets are not counted.
	largePacket = 8 << 10

	// maxLargePackets is the total size of the large packets that logged-in
	// devices may be sending at the same time.
	maxLargePackets = 64 << 20

	// maxLargeFirstPackets is the total size of the large first packets that
	// clients may be sending at the same time. It is separate, so that clients
	// without credentials cannot block devices that have logged in.
	maxLargeFirstPackets = 16 << 20

	// packetTime is the time that a packet may take from its first to its last
	// byte: 256 KiB at 35 kbit/s. The keepalive timeout may end the connection
	// earlier.
	packetTime = time.Minute
)

var (
	errFirstPacket    = errors.New("the first packet is too large")
	errNoPacketMemory = errors.New("too many large packets are being received")
	errPacketLength   = errors.New("the length of a packet has more than four bytes")
)

// inbound tracks the packets in the byte stream from a device: where each packet
// begins and how long it is. It belongs to the goroutine that reads the connection.
type inbound struct {
	largePackets      *semaphore.Weighted // shared by all connections; see maxLargePackets
	largeFirstPackets *semaphore.Weighted // shared by all connections; see maxLargeFirstPackets

	packets  int // number of packets that have begun
	part     packetPart
	left     int   // bytes of the current packet that are still to come
	shift    uint  // bit position of the next byte of the length
	held     int64 // bytes acquired from heldFrom for the current packet
	heldFrom *semaphore.Weighted
	due      time.Time // when the current packet must be complete
}

// packetPart is the part of a packet to which the next byte belongs.
type packetPart uint8

const (
	betweenPackets packetPart = iota // the next byte begins a packet
	inLength
	inRest
)

// advance processes bytes that were read from the connection.
func (in *inbound) advance(p []byte, now time.Time) error {
	for len(p) > 0 {
		switch in.part {
		case betweenPackets:
			in.release()
			in.packets++
			in.part, in.due = inLength, now.Add(packetTime)
			in.left, in.shift = 0, 0
			p = p[1:]

		case inLength:
			if in.shift > 21 {
				return errPacketLength
			}
			in.left |= int(p[0]&0x7f) << in.shift
			in.shift += 7
			if p[0]&0x80 == 0 {
				if err := in.acquire(); err != nil {
					return err
				}
				in.part = inRest
			}
			p = p[1:]

		case inRest:
			n := min(in.left, len(p))
			in.left -= n
			p = p[n:]
		}

		if in.part == inRest && in.left == 0 {
			in.part = betweenPackets
		}
	}
	return nil
}

// acquire reserves memory for the current packet, whose length is known by now. It
// returns an error if the packet is too large or no memory is left.
func (in *inbound) acquire() error {
	if in.packets == 1 && in.left > maxConnect {
		return errFirstPacket
	}
	if in.left < largePacket || in.left > maxPacket { // the MQTT server refuses packets above maxPacket
		return nil
	}

	in.heldFrom = in.largePackets
	if in.packets == 1 {
		in.heldFrom = in.largeFirstPackets
	}
	if !in.heldFrom.TryAcquire(int64(in.left)) {
		return errNoPacketMemory
	}
	in.held = int64(in.left)
	return nil
}

// release returns the memory that acquire reserved. It is called when the packet has
// been handled or the connection has ended.
func (in *inbound) release() {
	if in.held > 0 {
		in.heldFrom.Release(in.held)
		in.held = 0
	}
}

// Read reads from the connection for the MQTT server and tracks the packets. Within
// a packet it waits no longer than packetTime.
func (l *link) Read(p []byte) (int, error) {
	if l.inbound.part == betweenPackets {
		l.inbound.release() // the server reads again only after it has handled the last packet
	} else if l.inbound.due.Before(l.readDeadline) {
		if err := l.SetDeadline(l.inbound.due); err != nil {
			return 0, err
		}
	}

	n, err := l.Conn.Read(p)
	if violation := l.inbound.advance(p[:n], time.Now()); violation != nil {
		l.close(violation.Error())
		return 0, violation
	}
	return n, err
}

// SetDeadline sets the deadline for reading only; Write sets its own. The MQTT
// server calls SetDeadline with the keepalive deadline after each packet.
func (l *link) SetDeadline(t time.Time) error {
	l.readDeadline = t
	return l.Conn.SetReadDeadline(t)
}
