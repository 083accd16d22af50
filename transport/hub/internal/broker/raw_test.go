package broker

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

// rawClient is an MQTT client that sends and receives single packets, so that a test can
// violate the protocol.
type rawClient struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// dial opens a TLS connection to the broker but does not send CONNECT.
func (f *front) dial(t testing.TB) *rawClient {
	t.Helper()
	conn, err := tls.Dial("tcp", f.addr, f.client)
	if err != nil {
		t.Fatal(err)
	}
	return newRawClient(t, conn)
}

func newRawClient(t testing.TB, conn net.Conn) *rawClient {
	t.Cleanup(func() { conn.Close() })
	return &rawClient{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// connectPacket returns a valid CONNECT packet, which a test may change.
func connectPacket(deviceID string) packets.Packet {
	return packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Connect},
		ProtocolVersion: 4,
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), ClientIdentifier: deviceID, Clean: true, Keepalive: 60,
			UsernameFlag: true, Username: []byte(iothub.UserName{HostName: "hub", DeviceID: deviceID, ModelID: "dtmi:test;1"}.String()),
			PasswordFlag: true, Password: []byte("good"),
		},
	}
}

// connect logs a device in and subscribes it to every filter of allFilters.
func (f *front) connect(t testing.TB, deviceID string) *rawClient {
	t.Helper()
	c := f.dial(t)
	if ack := c.login(connectPacket(deviceID)); ack.ReasonCode != 0 {
		t.Fatalf("CONNACK has code %d", ack.ReasonCode)
	}
	c.subscribe(allFilters(deviceID)...)
	return c
}

func allFilters(deviceID string) []string {
	return []string{iothub.MethodsFilter, iothub.TwinResponsesFilter, iothub.DesiredFilter, iothub.DeviceboundFilter(deviceID)}
}

// connectPersistent logs a device in with CleanSession=0. It returns the "session
// present" flag of the CONNACK.
func (f *front) connectPersistent(t testing.TB, deviceID string) (c *rawClient, present bool) {
	t.Helper()
	c = f.dial(t)
	pk := connectPacket(deviceID)
	pk.Connect.Clean = false
	ack := c.login(pk)
	if ack.ReasonCode != 0 {
		t.Fatalf("CONNACK has code %d", ack.ReasonCode)
	}
	return c, ack.SessionPresent
}

// login sends a CONNECT packet and returns the CONNACK.
func (c *rawClient) login(pk packets.Packet) packets.Packet {
	c.t.Helper()
	c.send(pk)
	return c.expect(packets.Connack)
}

func (c *rawClient) subscribe(filters ...string) []byte {
	c.t.Helper()
	c.send(subscribePacket(0, filters...))
	return c.expect(packets.Suback).ReasonCodes
}

func subscribePacket(qos byte, filters ...string) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 7}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: qos})
	}
	return pk
}

func publishPacket(qos byte, topic, payload string) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, TopicName: topic, Payload: []byte(payload)}
	if qos > 0 {
		pk.PacketID = 9
	}
	return pk
}

// publish sends a PUBLISH packet and, at QoS 1, waits for PUBACK.
func (c *rawClient) publish(qos byte, topic, payload string) {
	c.t.Helper()
	c.send(publishPacket(qos, topic, payload))
	if qos > 0 {
		c.expect(packets.Puback)
	}
}

// answer waits for a method request and answers it. It returns the method's name, the
// request id and the payload.
func (c *rawClient) answer(status int, payload string) (name, rid, request string) {
	c.t.Helper()
	pk := c.expect(packets.Publish)
	name, rid, err := iothub.ParseMethodRequest(pk.TopicName)
	if err != nil {
		c.t.Fatal(err)
	}
	c.publish(0, iothub.MethodResponseTopic(status, rid), payload)
	return name, rid, string(pk.Payload)
}

func (c *rawClient) send(pk packets.Packet) {
	c.t.Helper()
	c.write(encode(c.t, pk))
}

func (c *rawClient) write(b []byte) {
	c.t.Helper()
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func encode(t testing.TB, pk packets.Packet) []byte {
	t.Helper()
	if pk.ProtocolVersion == 0 {
		pk.ProtocolVersion = 4
	}
	var buf bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&buf)
	case packets.Publish:
		err = pk.PublishEncode(&buf)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&buf)
	case packets.Unsubscribe:
		err = pk.UnsubscribeEncode(&buf)
	case packets.Pingreq:
		err = pk.PingreqEncode(&buf)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&buf)
	default:
		t.Fatalf("the test cannot encode packets of type %d", pk.FixedHeader.Type)
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// expect reads the next packet and returns it. The packet must have the given type.
func (c *rawClient) expect(want byte) packets.Packet {
	c.t.Helper()
	pk, err := c.read()
	if err != nil {
		c.t.Fatalf("read %s: %v", packets.PacketNames[want], err)
	}
	if pk.FixedHeader.Type != want {
		c.t.Fatalf("received %s on %q, want %s", packets.PacketNames[pk.FixedHeader.Type], pk.TopicName, packets.PacketNames[want])
	}
	return pk
}

// expectEnd checks that the hub closes the connection and sends no more packets.
func (c *rawClient) expectEnd() {
	c.t.Helper()
	pk, err := c.read()
	if err == nil {
		c.t.Fatalf("received %s on %q, want the end of the connection", packets.PacketNames[pk.FixedHeader.Type], pk.TopicName)
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the connection is still open")
	}
}

func (c *rawClient) read() (pk packets.Packet, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return pk, err
	}

	first, err := c.r.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(c.r); err != nil {
		return pk, err
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return pk, err
	}

	pk.ProtocolVersion = 4
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	case packets.Puback:
		err = pk.PubackDecode(body)
	}
	return pk, err
}
