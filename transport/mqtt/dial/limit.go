package dial

import (
	"errors"
	"fmt"
	"net"
)

// MaxPacket is how many bytes a packet of a server's may have. IoT Hub's largest is a
// direct method of 128 KiB. A device has little memory, and what reads packets
// takes as much as they announce.
const MaxPacket = 1 << 20

// limited is a connection that fails when a packet is announced that is too large.
type limited struct {
	net.Conn
	packets packets
}

// Read passes on nothing of which the packet is too large.
func (c *limited) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.packets.take(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}

// packets follows where packets begin and end in a stream: a byte of type and
// flags, the length in seven bits a byte with the least significant first, and so
// many bytes.
type packets struct {
	inLength bool
	shift    int
	length   int // as far as it is read, or what is left of the packet
}

// take follows text. Its error says that a packet is too large, or its length no length.
func (s *packets) take(text []byte) error {
	for len(text) > 0 {
		switch {
		case s.inLength:
			b := text[0]
			text = text[1:]
			s.length |= int(b&0x7f) << s.shift
			s.shift += 7
			s.inLength = b&0x80 != 0
			switch {
			case s.inLength && s.shift == 28:
				return errors.New("it announces a packet of a length that MQTT does not have")
			case !s.inLength && s.length > MaxPacket:
				return fmt.Errorf("it announces a packet of %d bytes; at most %d are taken", s.length, MaxPacket)
			}
		case s.length > 0:
			n := min(s.length, len(text))
			s.length -= n
			text = text[n:]
		default:
			s.inLength, s.shift = true, 0
			text = text[1:]
		}
	}
	return nil
}
