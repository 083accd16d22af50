package dial

import (
	"errors"
	"fmt"
	"net"
)

// MaxPacket is the largest packet, in bytes, that a device accepts from a server. IoT
// Hub's largest packet is a direct method of 128 KiB. The limit protects the device's
// memory: paho allocates as many bytes as a packet's header announces.
const MaxPacket = 1 << 20

// limitedConn is a connection whose Read fails when a packet larger than MaxPacket
// begins.
type limitedConn struct {
	net.Conn
	packets packetReader
}

// Read reads from the connection. It returns no byte of a packet that is too large.
func (c *limitedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.packets.read(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}

// packetReader finds the packets in a stream of MQTT. A packet is one byte with its type
// and flags, then the length of its body, then the body. Each byte of the length holds
// seven bits, the least significant ones first; its top bit says that more follow.
type packetReader struct {
	inLength bool // the next byte is part of a length
	shift    int  // number of bits of the length that were read
	length   int  // the part of the length that was read, or the rest of the body
}

// read reads the next bytes of the stream. It returns an error if a packet is too large
// or has an invalid length.
func (s *packetReader) read(text []byte) error {
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
				return errors.New("it announces a packet with an invalid length")
			case !s.inLength && s.length > MaxPacket:
				return fmt.Errorf("it announces a packet of %d bytes; at most %d are accepted", s.length, MaxPacket)
			}

		case s.length > 0: // inside a body
			n := min(s.length, len(text))
			s.length -= n
			text = text[n:]

		default: // the first byte of a packet
			s.inLength, s.shift = true, 0
			text = text[1:]
		}
	}

	return nil
}
