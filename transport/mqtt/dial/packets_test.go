package dial

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

func packet(length ...byte) []byte { return append([]byte{0x30}, length...) }

func accept(header) error { return nil }

// TestPacketReader checks that the reader finds all packets, and the limit on their
// size. It splits each stream of packets at different places.
func TestPacketReader(t *testing.T) {
	t.Parallel()

	small := slices.Concat(packet(0), packet(3), []byte{0xff, 0xff, 0xff}, packet(0x80, 0x01), bytes.Repeat([]byte{0xff}, 128), packet(1), []byte{0xff})
	largest := append(packet(0x80, 0x80, 0x40), make([]byte, MaxPacket)...)

	for name, tc := range map[string]struct {
		text []byte
		want []int // lengths of the packets
		err  string
	}{
		"nothing":             {nil, nil, ""},
		"small ones":          {small, []int{0, 3, 128, 1}, ""},
		"the largest":         {slices.Concat(largest, small, largest), []int{MaxPacket, 0, 3, 128, 1, MaxPacket}, ""},
		"one byte more":       {slices.Concat(packet(0), packet(0x81, 0x80, 0x40)), []int{0}, "the server sent an invalid packet: a packet of 1048577 bytes; at most 1048576 are accepted"},
		"the largest of MQTT": {packet(0xff, 0xff, 0xff, 0x7f), nil, "the server sent an invalid packet: a packet of 268435455 bytes; at most 1048576 are accepted"},
		"no length":           {packet(0x80, 0x80, 0x80, 0x80), nil, "the server sent an invalid packet: its length has more than four bytes"},
	} {
		for _, cut := range []int{1, 2, 3, 7, 1 << 30} {
			var found []int
			p := packetReader{check: func(h header) error { found = append(found, h.length); return nil }}
			var err error
			for text := range slices.Chunk(tc.text, cut) {
				if err = p.read(text); err != nil {
					break
				}
			}
			if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Errorf("%s, split after every %d bytes: %v, want %q", name, cut, err, tc.err)
			}
			if !slices.Equal(found, tc.want) {
				t.Errorf("%s, split after every %d bytes: found packets of %v bytes, want %v", name, cut, found, tc.want)
			}
		}
	}
}

// TestPacketCheck checks which packets of a server a device accepts. Before the last
// packet, the device has sent CONNECT, a SUBSCRIBE with three filters (id 1), an
// UNSUBSCRIBE (id 2), and a PUBLISH with QoS 1 (id 3), and has received CONNACK.
func TestPacketCheck(t *testing.T) {
	t.Parallel()

	const connack = "\x20\x02\x00\x00"
	for _, tc := range []struct{ name, packets, err string }{
		{"the expected acknowledgements", connack + "\x90\x05\x00\x01\x00\x00\x80\xb0\x02\x00\x02\x40\x02\x00\x03\xd0\x00", ""},
		{"messages", connack + "\x30\x04\x00\x01ab\x31\x03\x00\x01a\x3a\x05\x00\x01a\x00\x07", ""},

		{"CONNACK without a body", "\x20\x00", "CONNACK of 0 bytes; want 2"},
		{"CONNACK of version 5", "\x20\x03\x00\x00\x00", "CONNACK of 3 bytes; want 2"},
		{"CONNACK twice", connack + connack, "the first packet, and no other, must be CONNACK, but it is CONNACK"},
		{"no CONNACK", "\xd0\x00", "the first packet, and no other, must be CONNACK, but it is PINGRESP"},
		{"an HTTP server", "HTTP/1.1 400 Bad Request\r\n", "the first packet, and no other, must be CONNACK, but it is PUBACK"},
		{"a type that MQTT does not define", connack + "\x00\x00", "MQTT 3.1.1 has no type 0"},
		{"a type of version 5", connack + "\xf0\x00", "MQTT 3.1.1 has no type 15"},
		{"a packet that only devices send", connack + "\xc0\x00", "PINGREQ, which a server sends to no device of IoT Hub"},
		{"a packet for QoS 2", connack + "\x50\x02\x00\x03", "PUBREC, which a server sends to no device of IoT Hub"},

		{"SUBACK with a code too many", connack + "\x90\x06\x00\x01\x00\x00\x00\x00", "SUBACK of 6 bytes; want 5"},
		{"SUBACK with a code too few", connack + "\x90\x04\x00\x01\x00\x00", "SUBACK of 4 bytes; want 5"},
		{"SUBACK twice", connack + "\x90\x05\x00\x01\x00\x00\x00\x90\x05\x00\x01\x00\x00\x00", "SUBACK for packet 1, which the device did not send"},
		{"SUBACK for a message", connack + "\x90\x03\x00\x03\x00", "SUBACK for packet 3, which the device did not send"},
		{"SUBACK without an id", connack + "\x90\x01\x00", "SUBACK without a packet id"},
		{"SUBACK without a body", connack + "\x90\x00", "SUBACK without a packet id"},
		{"PUBACK for a subscription", connack + "\x40\x02\x00\x01", "PUBACK for packet 1, which the device did not send"},
		{"PUBACK with half an id", connack + "\x40\x01\x03", "PUBACK without a packet id"},
		{"PUBACK with a reason", connack + "\x40\x03\x00\x03\x10", "PUBACK of 3 bytes; want 2"},
		{"PUBACK with flags", connack + "\x42\x02\x00\x03", "PUBACK with the flags 0010"},
		{"UNSUBACK for a message", connack + "\xb0\x02\x00\x03", "UNSUBACK for packet 3, which the device did not send"},
		{"UNSUBACK without a body", connack + "\xb0\x00", "UNSUBACK without a packet id"},
		{"PINGRESP with a body", connack + "\xd0\x01\x00", "PINGRESP of 1 bytes; want 0"},

		{"PUBLISH without a body", connack + "\x30\x00", "PUBLISH without a topic"},
		{"PUBLISH without a topic", connack + "\x30\x03\x00\x00a", "PUBLISH without a topic"},
		{"PUBLISH with half a length", connack + "\x30\x01\x05", "PUBLISH without a topic"},
		{"PUBLISH with a part of its topic", connack + "\x30\x04\x00\x03ab", "PUBLISH of 4 bytes with a topic of 3 bytes"},
		{"PUBLISH without the id that QoS 1 needs", connack + "\x32\x04\x00\x01a\x00", "PUBLISH of 4 bytes with a topic of 1 bytes"},
		{"PUBLISH with QoS 2", connack + "\x34\x06\x00\x01a\x00\x01b", "PUBLISH with QoS 2"},
		{"PUBLISH with QoS 3", connack + "\x36\x06\x00\x01a\x00\x01b", "PUBLISH with QoS 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			c := newCheckedConn(stream{strings.NewReader(tc.packets)})
			for _, sent := range sentBefore() {
				if err := sent.Write(c); err != nil {
					t.Fatal(err)
				}
			}

			_, err := io.ReadAll(c)
			if (err == nil) != (tc.err == "") || err != nil && err.Error() != "the server sent an invalid packet: "+tc.err {
				t.Errorf("%v, want %q", err, tc.err)
			}
		})
	}
}

// sentBefore returns the packets that the device of TestPacketCheck has sent.
func sentBefore() []packets.ControlPacket {
	subscribe := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	subscribe.MessageID, subscribe.Topics, subscribe.Qoss = 1, []string{"a", "b", "c"}, []byte{0, 0, 0}
	unsubscribe := packets.NewControlPacket(packets.Unsubscribe).(*packets.UnsubscribePacket)
	unsubscribe.MessageID, unsubscribe.Topics = 2, []string{"a"}
	publish := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	publish.MessageID, publish.Qos, publish.TopicName = 3, 1, "a"
	return []packets.ControlPacket{packets.NewControlPacket(packets.Connect), subscribe, unsubscribe, publish}
}

// stream is a connection from which a given text can be read. It discards what is
// written to it.
type stream struct{ *strings.Reader }

func (stream) Write(p []byte) (int, error)      { return len(p), nil }
func (stream) Close() error                     { return nil }
func (stream) LocalAddr() net.Addr              { return nil }
func (stream) RemoteAddr() net.Addr             { return nil }
func (stream) SetDeadline(time.Time) error      { return nil }
func (stream) SetReadDeadline(time.Time) error  { return nil }
func (stream) SetWriteDeadline(time.Time) error { return nil }

// FuzzPackets checks that packetReader gives the same result if the stream is split in
// two.
func FuzzPackets(f *testing.F) {
	f.Add(packet(3), []byte{1, 2, 3, 0x30, 0})
	f.Add(packet(0xff), []byte{0xff, 0xff, 0x7f})

	f.Fuzz(func(t *testing.T, head, tail []byte) {
		whole, cut := packetReader{check: accept}, packetReader{check: accept}
		err := whole.read(slices.Concat(head, tail))
		cutErr := cut.read(head)
		if cutErr == nil {
			cutErr = cut.read(tail)
		}
		if (err == nil) != (cutErr == nil) || err == nil && whole.left != cut.left {
			t.Errorf("whole %v %+v, split %v %+v", err, whole, cutErr, cut)
		}
	})
}

// FuzzClient starts a paho client whose server sends arbitrary bytes after CONNACK,
// while the client waits for the answer to its subscriptions. The client must not
// panic.
func FuzzClient(f *testing.F) {
	for _, text := range []string{"\x90\x06\x00\x01\x00\x00\x00\x00", "\x90\x05\x00\x01\x00\x00\x00\x40\x02\x00\x01", "\x32\x05\x00\x01a\x00\x07", "\x36\x00", "\x62\x02\x00\x01"} {
		f.Add([]byte(text))
	}

	f.Fuzz(func(t *testing.T, text []byte) {
		device, server := net.Pipe()
		defer device.Close()
		go func() {
			defer server.Close()
			packets.ReadPacket(server) // CONNECT
			server.Write([]byte{0x20, 2, 0, 0})
			packets.ReadPacket(server) // SUBSCRIBE
			go io.Copy(io.Discard, server)
			server.Write(text)
		}()

		lost := make(chan struct{})
		o := paho.NewClientOptions().AddBroker("tcp://localhost").SetProtocolVersion(4).SetAutoReconnect(false)
		o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return newCheckedConn(device), nil })
		o.SetConnectionLostHandler(func(paho.Client, error) { close(lost) })
		client := paho.NewClient(o)
		if token := client.Connect(); token.Wait() && token.Error() != nil {
			t.Fatal(token.Error())
		}
		client.SubscribeMultiple(map[string]byte{"a": 0, "b": 0, "c": 0}, nil)
		<-lost
	})
}
