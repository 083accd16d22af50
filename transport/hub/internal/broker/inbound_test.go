package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/sync/semaphore"

	"github.com/latchd/latchd/transport/iothub"
)

// header returns the fixed header of a PUBLISH packet whose rest has size bytes.
func header(size int) []byte {
	b := []byte{0x30}
	for {
		digit := byte(size & 0x7f)
		if size >>= 7; size == 0 {
			return append(b, digit)
		}
		b = append(b, digit|0x80)
	}
}

func TestInbound(t *testing.T) {
	first := header(3)
	for name, test := range map[string]struct {
		stream string
		want   error
		part   packetPart
		held   int64
	}{
		"nothing":                       {},
		"a whole packet":                {stream: "\x10\x02ab"},
		"a packet without a body":       {stream: "\xc0\x00"},
		"the first byte":                {stream: "\x10", part: inLength},
		"half a length":                 {stream: "\x10\x81", part: inLength},
		"half a packet":                 {stream: "\x10\x02a", part: inRest},
		"the largest first packet":      {stream: string(header(maxConnect)), part: inRest, held: maxConnect},
		"a first packet too large":      {stream: string(header(maxConnect + 1)), want: errFirstPacket},
		"a second packet of that size":  {stream: string(first) + "abc" + string(header(maxConnect+1)), part: inRest, held: maxConnect + 1},
		"a small packet is not counted": {stream: string(header(largePacket - 1)), part: inRest},
		"no memory left":                {stream: string(first) + "abc" + string(header(300<<10)), want: errNoPacketMemory},
		"memory is released":            {stream: string(header(largePacket)) + strings.Repeat("x", largePacket) + "\xc0\x00"},
		"a length of five bytes":        {stream: "\x10\xff\xff\xff\xff\x01", want: errPacketLength},
	} {
		for _, chunk := range []int{1, 2, 3, 1 << 20} {
			in := inbound{largePackets: semaphore.NewWeighted(200 << 10), largeFirstPackets: semaphore.NewWeighted(200 << 10)}
			var err error
			for rest := []byte(test.stream); len(rest) > 0 && err == nil; {
				n := min(chunk, len(rest))
				err = in.advance(rest[:n], time.Time{})
				rest = rest[n:]
			}
			if !errors.Is(err, test.want) || err == nil && (in.part != test.part || in.held != test.held) {
				t.Errorf("%s, in chunks of %d: %v, part %d, %d bytes held; want %v, %d, %d",
					name, chunk, err, in.part, in.held, test.want, test.part, test.held)
			}
			in.release()
			if !in.largePackets.TryAcquire(200<<10) || !in.largeFirstPackets.TryAcquire(200<<10) {
				t.Errorf("%s: memory was not released", name)
			}
		}
	}
}

// FuzzInbound cuts a stream of packets into random pieces. The result must not depend on
// the pieces, and all memory must be released.
func FuzzInbound(f *testing.F) {
	f.Add([]byte("\x10\x02ab\xc0\x00"), uint8(1))
	f.Add(append(header(largePacket), make([]byte, largePacket+3)...), uint8(100))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint8) {
		memory, other := semaphore.NewWeighted(1<<20), semaphore.NewWeighted(1<<20)
		whole, parts := inbound{largePackets: memory, largeFirstPackets: memory}, inbound{largePackets: other, largeFirstPackets: other}
		wholeErr := whole.advance(stream, time.Time{})
		var partsErr error
		for rest := stream; len(rest) > 0 && partsErr == nil; {
			n := min(int(cut)+1, len(rest))
			partsErr = parts.advance(rest[:n], time.Time{})
			rest = rest[n:]
		}
		if wholeErr != partsErr || whole.part != parts.part || whole.left != parts.left || whole.held != parts.held {
			t.Fatalf("whole %+v %v, in parts %+v %v", whole, wholeErr, parts, partsErr)
		}
		whole.release()
		if !memory.TryAcquire(1 << 20) {
			t.Fatal("memory was not released")
		}
	})
}

// A client that has not logged in may send only a small packet. All devices together may
// use at most maxLargePackets bytes for incomplete packets.
func TestLargePacketsAreBounded(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	anonymous := f.dial(t)
	anonymous.write(append([]byte{0x10}, header(maxConnect + 1)[1:]...))
	anonymous.expectEnd()

	const left = 500 << 10 // free memory for devices' packets, in bytes
	if !f.largePackets.TryAcquire(maxLargePackets - left) {
		t.Fatal("memory was not released")
	}
	half := header(maxBody + 50)
	greedy := f.connect(t, "greedy")
	greedy.write(half)
	awaitFree(t, f.largePackets, left-(maxBody+50), left)
	second := f.connect(t, "second")
	second.write(half)
	second.expectEnd()

	// Another device can still send small packets.
	d := f.connect(t, "d1")
	done := f.invoke("d1", "m", "", 0)
	d.answer(200, "")
	if got := next(t, done); got.err != nil {
		t.Error(got.err)
	}
	if err := greedy.conn.Close(); err != nil {
		t.Fatal(err)
	}
	awaitFree(t, f.largePackets, left, left+1)
}

// Clients that have not logged in must not use the memory for devices' packets.
func TestFirstPacketsUseTheirOwnMemory(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	d := f.connect(t, "d1")
	if !f.largePackets.TryAcquire(maxLargePackets - maxConnect) {
		t.Fatal("memory was not released")
	}
	anonymous := f.dial(t)
	anonymous.write(append([]byte{0x10}, header(maxConnect)[1:]...))
	awaitFree(t, f.largeFirstPackets, maxLargeFirstPackets-maxConnect, maxLargeFirstPackets)
	d.send(publishPacket(0, "devices/d1/messages/events/", strings.Repeat("x", 60<<10)))
	<-backend.events
}

// When a large packet has been handled, its memory is released even if the device sends
// nothing more.
func TestHandledPacketReleasesItsMemory(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c := f.connect(t, "d1")
	c.send(publishPacket(0, "devices/d1/messages/events/", strings.Repeat("x", maxBody)))
	<-backend.events
	awaitFree(t, f.largePackets, maxLargePackets, maxLargePackets+1)
}

// awaitFree waits until the free memory is at least enough bytes, and less than tooMuch.
func awaitFree(t *testing.T, memory *semaphore.Weighted, enough, tooMuch int64) {
	t.Helper()
	has := func(n int64) bool {
		ok := memory.TryAcquire(n)
		if ok {
			memory.Release(n)
		}
		return ok
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !has(enough) || has(tooMuch); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("want %d to %d free bytes", enough, tooMuch-1)
		}
	}
}

// A packet must be complete within packetTime, even if the keepalive interval is longer.
func TestIncompletePacket(t *testing.T) {
	for name, ahead := range map[string][]byte{
		"alone":                 nil,
		"behind a whole packet": encode(t, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}}),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, b *Broker, backend *fakeBackend, dial func() *rawClient) {
				c := dial()
				pk := connectPacket("d1")
				pk.Connect.Keepalive = 1000
				c.login(pk)
				event := encode(t, publishPacket(0, "devices/d1/messages/events/", "x"))
				// A pipe has no buffer, so the answer must be read while the rest is written.
				go c.conn.Write(append(ahead, event[:len(event)-1]...))
				if took := endsAfter(c); took != packetTime {
					t.Errorf("the connection ends after %v, want %v", took, packetTime)
				}
			})
		})
	}
	t.Run("arrives slowly", func(t *testing.T) {
		inBubble(t, Options{}, func(t *testing.T, b *Broker, backend *fakeBackend, dial func() *rawClient) {
			c := dial()
			c.login(connectPacket("d1"))
			event := encode(t, publishPacket(0, "devices/d1/messages/events/", "x"))
			for _, b := range event {
				c.write([]byte{b})
				time.Sleep(time.Second) // simulated time
			}
			if e := <-backend.events; e.payload != "x" {
				t.Errorf("got %+v", e)
			}
		})
	})
}

// A device may send several packets in one TLS record. The broker answers each, in order.
func TestPacketsInOneWrite(t *testing.T) {
	t.Parallel()
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c := f.dial(t)
	var all []byte
	for _, pk := range []packets.Packet{
		connectPacket("d1"),
		subscribePacket(1, iothub.MethodsFilter),
		publishPacket(1, "devices/d1/messages/events/", "first"),
		{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}},
		publishPacket(1, "devices/d1/messages/events/", strings.Repeat("x", 20_000)),
	} {
		all = append(all, encode(t, pk)...)
	}

	c.write(all)
	for _, want := range []byte{packets.Connack, packets.Suback, packets.Puback, packets.Pingresp, packets.Puback} {
		c.expect(want)
	}
	if e := next(t, backend.events); e.payload != "first" {
		t.Errorf("the first event is %.20q", e.payload)
	}
	if e := next(t, backend.events); len(e.payload) != 20_000 {
		t.Errorf("the second event has %d bytes, want 20000", len(e.payload))
	}
}

// A device may repeat a subscription, or send very many filters at once.
func TestThousandsOfSubscriptions(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	c := f.connect(t, "d1")
	var same []string
	for range 1000 {
		same = append(same, iothub.MethodsFilter)
	}
	for range 5 {
		if codes := c.subscribe(same...); len(codes) != 1000 {
			t.Fatalf("SUBACK has %d codes", len(codes))
		}
	}
	done := f.invoke("d1", "once", "", 0)
	c.answer(200, "")
	next(t, done)
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	c.expect(packets.Pingresp) // the device must not receive the call twice

	for i := range same {
		same[i] = "$iothub/methods/POST/" + strings.Repeat("x", 20) + "/#"
	}
	c.send(subscribePacket(0, same...))
	c.expectEnd()
}
