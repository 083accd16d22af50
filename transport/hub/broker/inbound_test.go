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
		inside inboundPart
		held   int64
	}{
		"nothing":                      {},
		"a whole packet":               {stream: "\x10\x02ab"},
		"a packet of nothing":          {stream: "\xc0\x00"},
		"the first byte":               {stream: "\x10", inside: inLength},
		"half a length":                {stream: "\x10\x81", inside: inLength},
		"half a packet":                {stream: "\x10\x02a", inside: inRest},
		"the greatest first packet":    {stream: string(header(maxConnect)), inside: inRest, held: maxConnect},
		"a first packet too large":     {stream: string(header(maxConnect + 1)), want: errFirstPacket},
		"a second packet as large":     {stream: string(first) + "abc" + string(header(maxConnect+1)), inside: inRest, held: maxConnect + 1},
		"a small packet takes no room": {stream: string(header(largePacket - 1)), inside: inRest},
		"no room":                      {stream: string(first) + "abc" + string(header(300<<10)), want: errNoRoom},
		"room is given back":           {stream: string(header(largePacket)) + strings.Repeat("x", largePacket) + "\xc0\x00"},
		"a length of five bytes":       {stream: "\x10\xff\xff\xff\xff\x01", want: errLength},
	} {
		for _, chunk := range []int{1, 2, 3, 1 << 20} {
			in := inbound{room: semaphore.NewWeighted(200 << 10), lobby: semaphore.NewWeighted(200 << 10)}
			var err error
			for rest := []byte(test.stream); len(rest) > 0 && err == nil; {
				n := min(chunk, len(rest))
				err = in.take(rest[:n], time.Time{})
				rest = rest[n:]
			}
			if !errors.Is(err, test.want) || err == nil && (in.inside != test.inside || in.held != test.held) {
				t.Errorf("%s, in chunks of %d: %v, in part %d with %d held; want %v, %d, %d",
					name, chunk, err, in.inside, in.held, test.want, test.inside, test.held)
			}
			in.release()
			if !in.room.TryAcquire(200<<10) || !in.lobby.TryAcquire(200<<10) {
				t.Errorf("%s: room is lost", name)
			}
		}
	}
}

// However a stream is cut, it is read in the same way, and all room comes back.
func FuzzInbound(f *testing.F) {
	f.Add([]byte("\x10\x02ab\xc0\x00"), uint8(1))
	f.Add(append(header(largePacket), make([]byte, largePacket+3)...), uint8(100))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint8) {
		room, other := semaphore.NewWeighted(1<<20), semaphore.NewWeighted(1<<20)
		whole, parts := inbound{room: room, lobby: room}, inbound{room: other, lobby: other}
		wholeErr := whole.take(stream, time.Time{})
		var partsErr error
		for rest := stream; len(rest) > 0 && partsErr == nil; {
			n := min(int(cut)+1, len(rest))
			partsErr = parts.take(rest[:n], time.Time{})
			rest = rest[n:]
		}
		if wholeErr != partsErr || whole.inside != parts.inside || whole.left != parts.left || whole.held != parts.held {
			t.Fatalf("whole %+v %v, in parts %+v %v", whole, wholeErr, parts, partsErr)
		}
		whole.release()
		if !room.TryAcquire(1 << 20) {
			t.Fatal("room is lost")
		}
	})
}

// What a stranger sends first is small, and what devices leave half sent takes
// no more room than there is.
func TestLargePacketsAreBounded(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	stranger := f.dial(t)
	stranger.write(append([]byte{0x10}, header(maxConnect + 1)[1:]...))
	stranger.expectEnd()

	const room = 500 << 10 // what is left to devices
	if !f.room.TryAcquire(largePackets - room) {
		t.Fatal("room is lost")
	}
	half := header(maxBody + 50)
	greedy := f.connect(t, "greedy")
	greedy.write(half)
	awaitRoom(t, f.room, room-(maxBody+50), room)
	second := f.connect(t, "second")
	second.write(half)
	second.expectEnd()
	// Others, and small packets, go on.
	d := f.connect(t, "d1")
	done := f.invoke("d1", "m", "", 0)
	d.answer(200, "")
	if got := next(t, done); got.err != nil {
		t.Error(got.err)
	}
	if err := greedy.conn.Close(); err != nil {
		t.Fatal(err)
	}
	awaitRoom(t, f.room, room, room+1)
}

// Who has not logged in takes none of the room that devices have.
func TestStrangersTakeNoRoomOfDevices(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	d := f.connect(t, "d1")
	if !f.room.TryAcquire(largePackets - maxConnect) {
		t.Fatal("room is lost")
	}
	stranger := f.dial(t)
	stranger.write(append([]byte{0x10}, header(maxConnect)[1:]...))
	awaitRoom(t, f.lobby, firstPackets-maxConnect, firstPackets)
	d.send(publishPacket(0, "devices/d1/messages/events/", strings.Repeat("x", 60<<10)))
	<-backend.events
}

// A large packet that was handled takes no room any more, though its device sends
// nothing after it.
func TestHandledPacketGivesItsRoomBack(t *testing.T) {
	backend := newFakeBackend()
	f := start(t, backend, Options{})
	c := f.connect(t, "d1")
	c.send(publishPacket(0, "devices/d1/messages/events/", strings.Repeat("x", maxBody)))
	<-backend.events
	awaitRoom(t, f.room, largePackets, largePackets+1)
}

// awaitRoom waits until the room for large packets is at least enough, and less
// than tooMuch.
func awaitRoom(t *testing.T, room *semaphore.Weighted, enough, tooMuch int64) {
	t.Helper()
	has := func(n int64) bool {
		ok := room.TryAcquire(n)
		if ok {
			room.Release(n)
		}
		return ok
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !has(enough) || has(tooMuch); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the room does not come to %d", enough)
		}
	}
}

// A packet that has begun must come to its end, whatever the keepalive time is.
func TestHalfSentPacket(t *testing.T) {
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
				c.write(append(ahead, event[:len(event)-1]...))
				if took := endsAfter(c); took != packetTime {
					t.Errorf("the link ends after %v, want %v", took, packetTime)
				}
			})
		})
	}
	t.Run("that comes slowly", func(t *testing.T) {
		inBubble(t, Options{}, func(t *testing.T, b *Broker, backend *fakeBackend, dial func() *rawClient) {
			c := dial()
			c.login(connectPacket("d1"))
			event := encode(t, publishPacket(0, "devices/d1/messages/events/", "x"))
			for _, b := range event {
				c.write([]byte{b})
				time.Sleep(time.Second) // synthetic
			}
			if e := <-backend.events; e.payload != "x" {
				t.Errorf("got %+v", e)
			}
		})
	})
}

// A device that subscribes again and again, or to very many filters at once,
// makes the hub keep no more than one that does it once.
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
	cl, _ := f.server.Clients.Get("d1")
	if n := cl.State.Subscriptions.Len(); n != 1 {
		t.Errorf("%d subscriptions are kept, want 1", n)
	}
	done := f.invoke("d1", "once", "", 0)
	c.answer(200, "")
	next(t, done)
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	c.expect(packets.Pingresp) // and not the call once more
	for i := range same {
		same[i] = "$iothub/methods/POST/" + strings.Repeat("x", 20) + "/#"
	}
	c.send(subscribePacket(0, same...))
	c.expectEnd()
}
