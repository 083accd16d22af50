package dial

import (
	"errors"
	"fmt"
	"net"
)

// MaxPacket is the largest packet, in bytes, that a device accepts from a server. IoT
// Hub's largest packet is a direct method of 128 KiB. The limit protects the device's
// memory, because the paho client allocates as many bytes as a packet's header
// announces.
const MaxPacket = 1 << 20

// limitedConn is a connection whose Read fails at the start of a packet that is larger
// than MaxPacket.
type limitedConn struct {
	net.Conn
	packets packetReader
}

// Read reads from the connection. It never returns a byte of a packet that is too
// large.
func (c *limitedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.packets.read(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}

// packetReader finds the borders between MQTT packets in a stream of bytes. A packet
// consists of one byte with its type and flags, the length of its body, and the body.
// Each byte of the length holds seven bits, the least significant ones first. Its top
// bit says whether another byte of the length follows.
type packetReader struct {
	inLength bool // the next byte is part of a length
	shift    int  // number of bits of the length that were read so far
	length   int  // the part of the length that was read so far, or the number of bytes left in the body
}

// read processes the next bytes of the stream. It returns an error if a packet is too
// large or has an invalid length.
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
				return errors.New("the server announces a packet with an invalid length")
			case !s.inLength && s.length > MaxPacket:
				return fmt.Errorf("the server announces a packet of %d bytes; at most %d are accepted", s.length, MaxPacket)
			}

		case s.length > 0: // the next bytes belong to a body
			n := min(s.length, len(text))
			s.length -= n
			text = text[n:]

		default: // the next byte is the first of a packet
			s.inLength, s.shift = true, 0
			text = text[1:]
		}
	}

	return nil
}
