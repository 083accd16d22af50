package dial

import (
	"bytes"
	"slices"
	"testing"
)

func packet(length ...byte) []byte { return append([]byte{0x30}, length...) }

// TestPacketReader checks the limit on the size of packets. It splits each stream of
// packets at different places.
func TestPacketReader(t *testing.T) {
	t.Parallel()

	small := slices.Concat(packet(0), packet(3), []byte{0xff, 0xff, 0xff}, packet(0x80, 0x01), bytes.Repeat([]byte{0xff}, 128))
	largest := append(packet(0x80, 0x80, 0x40), make([]byte, MaxPacket)...)

	for name, tc := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":             {nil, ""},
		"small ones":          {small, ""},
		"the largest":         {slices.Concat(largest, small, largest), ""},
		"one byte more":       {append(slices.Clone(small), packet(0x81, 0x80, 0x40)...), "the server announces a packet of 1048577 bytes; at most 1048576 are accepted"},
		"the largest of MQTT": {packet(0xff, 0xff, 0xff, 0x7f), "the server announces a packet of 268435455 bytes; at most 1048576 are accepted"},
		"no length":           {packet(0x80, 0x80, 0x80, 0x80), "the server announces a packet with an invalid length"},
	} {
		for _, cut := range []int{1, 2, 3, 7, 1 << 30} {
			var p packetReader
			var err error
			for text := range slices.Chunk(tc.text, cut) {
				if err = p.read(text); err != nil {
					break
				}
			}
			if (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
				t.Errorf("%s, split after every %d bytes: %v, want %q", name, cut, err, tc.want)
			}
		}
	}
}

// FuzzPackets checks that packetReader gives the same result if the stream is split in
// two.
func FuzzPackets(f *testing.F) {
	f.Add(packet(3), []byte{1, 2, 3, 0x30, 0})
	f.Add(packet(0xff), []byte{0xff, 0xff, 0x7f})

	f.Fuzz(func(t *testing.T, head, tail []byte) {
		var whole, cut packetReader
		err := whole.read(slices.Concat(head, tail))
		cutErr := cut.read(head)
		if cutErr == nil {
			cutErr = cut.read(tail)
		}
		if (err == nil) != (cutErr == nil) || err == nil && whole != cut {
			t.Errorf("whole %v %+v, split %v %+v", err, whole, cutErr, cut)
		}
	})
}
