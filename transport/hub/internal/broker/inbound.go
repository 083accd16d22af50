package broker

import (
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// Limits on the memory that the hub allocates for packets from clients. The MQTT library
// allocates memory for a whole packet as soon as it knows the packet's length. The
// broker must therefore stop a packet that is too large before the library sees it.
const (
	// maxConnect is the maximum size of the first packet on a connection: CONNECT with a
	// large will. The client that sends it has not logged in yet.
	maxConnect = 72 << 10

	// largePacket is the size from which a packet counts as large. Before the hub
	// receives a large packet, it must acquire memory from one of two semaphores,
	// largePackets or largeFirstPackets.
	largePacket = 8 << 10

	// maxLargePackets limits the total size of large packets that the hub receives at
	// the same time from devices that have logged in.
	maxLargePackets = 64 << 20

	// maxLargeFirstPackets limits the total size of large first packets that the hub
	// receives at the same time. This separate limit prevents clients without
	// credentials from blocking devices that have logged in.
	maxLargeFirstPackets = 16 << 20

	// packetTime is the maximum time from the first byte of a packet to its last. It is
	// enough for 256 KiB at 35 kbit/s. The keepalive timeout may end the connection
	// earlier.
	packetTime = time.Minute
)

var (
	errFirstPacket    = errors.New("the first packet is too large")
	errNoPacketMemory = errors.New("too many large packets are being received")
	errPacketLength   = errors.New("the length of a packet has more than four bytes")
)

// inbound finds the beginning and the length of each packet in the byte stream from a
// device. Only the goroutines that read the connection use it, one after the other.
type inbound struct {
	largePackets      *semaphore.Weighted // shared by all connections; see maxLargePackets
	largeFirstPackets *semaphore.Weighted // shared by all connections; see maxLargeFirstPackets

	packets  int // number of packets that have begun so far
	part     packetPart
	left     int   // bytes of the current packet that are still to come
	shift    uint  // number of bits of the length read so far
	held     int64 // bytes that the current packet has acquired from heldFrom
	heldFrom *semaphore.Weighted
	due      time.Time // time by which the current packet must be complete
}

// packetPart says to which part of a packet the next byte belongs.
type packetPart uint8

const (
	betweenPackets packetPart = iota // the next byte is the first of a packet
	inLength
	inRest
)

// advance updates the position in the packet stream after data was read from the
// connection.
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

// acquire reserves memory for the current packet, whose length must be known. It returns
// an error if the packet is too large or if there is not enough memory.
func (in *inbound) acquire() error {
	if in.packets == 1 && in.left > maxConnect {
		return errFirstPacket
	}
	if in.left < largePacket || in.left > maxPacket { // the MQTT library itself refuses packets above maxPacket
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

// release releases the memory that acquire reserved. Call it when the packet has been
// handled or the connection has ended.
func (in *inbound) release() {
	if in.held > 0 {
		in.heldFrom.Release(in.held)
		in.held = 0
	}
}

// awaitPacket waits for the first byte of a packet.
func (l *link) awaitPacket() error {
	l.inbound.release() // the previous packet has been handled
	_, err := l.buffered.Peek(1)
	return err
}

// Read reads data of the current packet for the MQTT library and follows the packet in it.
// A packet that takes longer than packetTime ends the connection.
func (l *link) Read(p []byte) (int, error) {
	in := &l.inbound
	if in.part != betweenPackets && l.buffered.Buffered() == 0 && in.due.Before(l.readDeadline) {
		if err := l.SetDeadline(in.due); err != nil {
			return 0, err
		}
	}

	// The library must not read the next packet before awaitPacket has waited for it.
	atMost := 1
	if in.part == inRest {
		atMost = in.left
	}
	n, err := l.buffered.Read(p[:min(len(p), atMost)])
	if violation := in.advance(p[:n], time.Now()); violation != nil {
		l.close(violation.Error())
		return 0, violation
	}
	return n, err
}

// SetDeadline sets only the deadline for reading, because Write sets its own.
func (l *link) SetDeadline(t time.Time) error {
	l.readDeadline = t
	return l.Conn.SetReadDeadline(t)
}
