package dial

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// MaxPacket is the largest packet, in bytes, that a device accepts from a server. IoT
// Hub's largest packet is a direct method of 128 KiB. The limit protects the device's
// memory, because the paho client allocates as many bytes as a packet's header
// announces.
const MaxPacket = 1 << 20

// PacketError means that the server sent a packet that violates MQTT 3.1.1, or a packet
// for which a device of IoT Hub has no use.
type PacketError struct {
	Problem string // what is wrong with the packet
}

func (e *PacketError) Error() string { return "the server sent an invalid packet: " + e.Problem }

func invalid(format string, args ...any) error { return &PacketError{fmt.Sprintf(format, args...)} }

// checkedConn is a connection that checks the server's packets before the MQTT client
// reads them. The paho client trusts its server: an invalid acknowledgement makes it
// panic, or makes it believe that the server has received an unsent message. Read fails
// at the start of an invalid packet.
type checkedConn struct {
	net.Conn
	sent   sentPackets
	stream packetReader
}

func newCheckedConn(conn net.Conn) *checkedConn {
	c := &checkedConn{Conn: conn, sent: sentPackets{waiting: make(map[acknowledgement]int)}}
	c.stream.check = c.sent.check
	return c
}

// Read reads from the connection. It never returns the last byte of the header of an
// invalid packet, nor any byte after it.
func (c *checkedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if problem := c.stream.read(p[:n]); problem != nil {
		return 0, problem
	}
	return n, err
}

// Write writes one whole packet, as the packages of the paho client do.
func (c *checkedConn) Write(packet []byte) (int, error) {
	if len(packet) > 0 {
		c.sent.add(packet)
	}
	return c.Conn.Write(packet)
}

// header is the part of an MQTT packet that decides whether the packet is valid.
type header struct {
	kind   byte // type of the packet, such as packets.Suback
	flags  byte
	length int    // number of bytes of the body
	start  uint16 // first two bytes of the body: a packet id, the length of a topic, or the fields of CONNACK
}

// packetReader finds the packets in a stream of bytes and checks the header of each. A
// packet consists of one byte with its type and flags, the length of its body, and the
// body. Each byte of the length holds seven bits, the least significant ones first. Its
// top bit says whether another byte of the length follows.
type packetReader struct {
	check func(header) error

	head   [7]byte // first bytes of the packet: type, length and two bytes of the body
	have   int     // number of bytes in head
	length int     // number of bytes of the body
	start  int     // index of the body in head; 0 while the length is incomplete
	left   int     // number of bytes of a checked packet that follow
}

// read processes the next bytes of the stream. It returns an error if a packet is
// invalid.
func (s *packetReader) read(text []byte) error {
	for len(text) > 0 {
		if s.left > 0 {
			n := min(s.left, len(text))
			s.left -= n
			text = text[n:]
			continue
		}

		s.head[s.have] = text[0]
		s.have++
		text = text[1:]
		if err := s.readHead(); err != nil {
			return err
		}
	}
	return nil
}

// readHead processes the newest byte in head. When head is complete, readHead checks
// the packet.
func (s *packetReader) readHead() error {
	if s.have == 1 {
		return nil
	}

	if s.start == 0 {
		b, i := s.head[s.have-1], s.have-2
		s.length |= int(b&0x7f) << (7 * i)
		switch {
		case b&0x80 != 0 && i == 3:
			return invalid("its length has more than four bytes")
		case b&0x80 != 0:
			return nil
		case s.length > MaxPacket:
			return invalid("a packet of %d bytes; at most %d are accepted", s.length, MaxPacket)
		}
		s.start = s.have
	}

	inHead := min(s.length, 2)
	if s.have < s.start+inHead {
		return nil
	}
	h := header{kind: s.head[0] >> 4, flags: s.head[0] & 0x0f, length: s.length}
	if inHead == 2 {
		h.start = binary.BigEndian.Uint16(s.head[s.start:])
	}
	if err := s.check(h); err != nil {
		return err
	}

	*s = packetReader{check: s.check, left: s.length - inHead}
	return nil
}

// sentPackets records which of the device's packets the server has not acknowledged.
type sentPackets struct {
	mu        sync.Mutex
	connected bool // the server has sent CONNACK
	// waiting holds the expected acknowledgements. The value is the number of return
	// codes in a SUBACK, and 0 for other acknowledgements.
	waiting map[acknowledgement]int
}

// acknowledgement identifies a packet with which the server acknowledges another one.
type acknowledgement struct {
	kind byte // packets.Puback, packets.Suback or packets.Unsuback
	id   uint16
}

// add records a packet that the device sends.
func (s *sentPackets) add(packet []byte) {
	const qos = 0x06 // bits of a PUBLISH
	switch kind := packet[0] >> 4; {
	case kind == packets.Publish && packet[0]&qos != 0, kind == packets.Subscribe, kind == packets.Unsubscribe:
	default:
		return // it has no acknowledgement with a packet id
	}
	decoded, err := packets.ReadPacket(bytes.NewReader(packet))
	if err != nil {
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := decoded.(type) {
	case *packets.PublishPacket:
		s.waiting[acknowledgement{packets.Puback, p.MessageID}] = 0
	case *packets.SubscribePacket:
		s.waiting[acknowledgement{packets.Suback, p.MessageID}] = len(p.Topics)
	case *packets.UnsubscribePacket:
		s.waiting[acknowledgement{packets.Unsuback, p.MessageID}] = 0
	}
}

// check checks the header of a packet from the server. The rules are those of MQTT
// 3.1.1, sections 2.2 and 3. The device subscribes with QoS 0 or 1, so it receives no
// packet of QoS 2.
func (s *sentPackets) check(h header) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	name, known := packets.PacketNames[h.kind]
	switch {
	case !known:
		return invalid("MQTT 3.1.1 has no type %d", h.kind)
	case s.connected == (h.kind == packets.Connack):
		return invalid("the first packet, and no other, must be CONNACK, but it is %s", name)
	case h.kind == packets.Publish:
		return checkPublish(h)
	case h.flags != 0:
		return invalid("%s with the flags %04b", name, h.flags)
	}

	switch h.kind {
	case packets.Connack:
		s.connected = true
		return h.wantLength(name, 2)
	case packets.Pingresp:
		return h.wantLength(name, 0)
	case packets.Puback, packets.Suback, packets.Unsuback:
		return s.acknowledge(name, h)
	}
	return invalid("%s, which a server sends to no device of IoT Hub", name)
}

// acknowledge checks an acknowledgement and removes it from the expected ones.
func (s *sentPackets) acknowledge(name string, h header) error {
	if h.length < 2 {
		return invalid("%s without a packet id", name)
	}

	ack := acknowledgement{h.kind, h.start}
	codes, expected := s.waiting[ack]
	if !expected {
		return invalid("%s for packet %d, which the device did not send", name, ack.id)
	}
	delete(s.waiting, ack)
	return h.wantLength(name, 2+codes)
}

// checkPublish checks that a PUBLISH contains its whole topic and, with QoS 1, a packet
// id.
func checkPublish(h header) error {
	qos, needed := h.flags>>1&3, 2+int(h.start)
	if qos > 0 {
		needed += 2
	}

	switch {
	case qos > 1:
		return invalid("PUBLISH with QoS %d", qos)
	case h.start == 0:
		return invalid("PUBLISH without a topic")
	case h.length < needed:
		return invalid("PUBLISH of %d bytes with a topic of %d bytes", h.length, h.start)
	}
	return nil
}

func (h header) wantLength(name string, want int) error {
	if h.length == want {
		return nil
	}
	return invalid("%s of %d bytes; want %d", name, h.length, want)
}
