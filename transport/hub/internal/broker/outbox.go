package broker

import (
	"bytes"
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"
)

// chunk is the size in bytes from which the broker writes waiting messages separately.
// Smaller ones share a write, and so a TLS record.
const chunk = 4 << 10

// outbox holds the messages that wait to be written to one device. A goroutine writes
// them. It exists only while messages are waiting.
type outbox struct {
	mu      sync.Mutex
	waiting []message
	writing bool // the goroutine exists
	closed  bool
	writer  sync.WaitGroup // counts the goroutine
}

type message struct {
	topic   string
	payload []byte
}

// send queues a message for the device, which must be subscribed to the topic. Messages
// are written in the order of the calls. send does not block: if the queue is full, the
// broker closes the device's connection.
func (b *Broker) send(l *link, topic string, payload []byte) {
	o := &l.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if len(o.waiting) >= b.opts.MaxPending {
		l.close("the device does not read its messages")
		return
	}

	o.waiting = append(o.waiting, message{topic, payload})
	if !o.writing {
		o.writing = true
		o.writer.Go(func() { b.writeMessages(l) })
	}
}

// writeMessages writes messages to the device until none is waiting.
func (b *Broker) writeMessages(l *link) {
	var text bytes.Buffer
	for b.encodeMessages(l, &text) {
		_, _ = l.Write(text.Bytes()) // closes the link if it fails
		text.Reset()
	}
}

// encodeMessages takes messages from the queue and encodes them. It returns false if
// none was waiting.
func (b *Broker) encodeMessages(l *link, text *bytes.Buffer) bool {
	o := &l.outbox
	o.mu.Lock()
	defer o.mu.Unlock()

	for len(o.waiting) > 0 && text.Len() < chunk {
		m := o.waiting[0]
		pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: m.topic, Payload: m.payload}
		if err := pk.PublishEncode(text); err != nil {
			b.remoteLog.Error("cannot encode a message", zap.String("device_id", l.deviceID), zap.String("topic", m.topic), zap.Error(err))
		}
		o.waiting = o.waiting[1:]
	}
	if len(o.waiting) == 0 {
		o.waiting = nil // release the memory of the empty queue
	}
	o.writing = text.Len() > 0
	return o.writing
}

// close drops the waiting messages, refuses new ones and waits until the goroutine has
// ended. Close the connection first.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed, o.waiting = true, nil
	o.mu.Unlock()
	o.writer.Wait()
}
