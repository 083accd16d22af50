package mqtt_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// TestFeatureFails calls a method of a real agent each second, while the hub closes the
// link at one kind of request, or ignores it. At least 95 % of the calls must be
// answered. After the hub has recovered, the agent must deliver all events, in order,
// and must report its twin. The test runs on simulated time.
func TestFeatureFails(t *testing.T) {
	isEvent := func(topic string) bool { return strings.HasPrefix(topic, "devices/") }
	isTenthEvent := func() func(string) bool {
		n := 0
		return func(topic string) bool {
			if isEvent(topic) {
				n++
			}
			return isEvent(topic) && n%10 == 0
		}
	}
	isTwinGet := func(topic string) bool { return strings.HasPrefix(topic, "$iothub/twin/GET/") }
	isReport := func(topic string) bool { return strings.HasPrefix(topic, "$iothub/twin/PATCH/properties/reported/") }

	for _, test := range []struct {
		name   string
		fails  func(topic string) bool
		closes bool // the hub closes the link at the request; otherwise it ignores the request
		links  int  // maximum number of links during the calls
	}{
		{"messages end the link", isEvent, true, 10},
		{"each tenth message ends the link", isTenthEvent(), true, 15},
		{"messages are ignored", isEvent, false, 1},
		{"reads of the twin end the link", isTwinGet, true, 12},
		{"reads of the twin are ignored", isTwinGet, false, 1},
		{"reports end the link", isReport, true, 12},
		{"reports are ignored", isReport, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const calls = 240
				h := newPickyHub(t)
				h.set(test.fails, test.closes)
				core, logs := observer.New(zap.InfoLevel)
				waiting, stop := h.startAgent(zap.New(core))
				defer stop()

				answered := 0
				for n := range calls {
					if h.call(n) {
						answered++
					}
					time.Sleep(time.Second)
				}
				links := h.links()
				t.Logf("%d of %d calls answered over %d links", answered, calls, links)
				if answered < calls*95/100 {
					t.Errorf("%d of %d calls were answered, want 95 %%", answered, calls)
				}
				if links > test.links {
					t.Errorf("there were %d links, want at most %d", links, test.links)
				}
				if n := logs.FilterMessageSnippet("another client").Len(); n > 0 {
					t.Error("the log blames another client")
				}

				h.set(nil, false)
				time.Sleep(5*time.Minute + 30*time.Second) // longer than the longest pause
				synctest.Wait()
				if n := waiting(); n != 0 {
					t.Errorf("%d events were not delivered", n)
				}
				if got := h.received(); !slices.IsSorted(got) || len(got) < calls {
					t.Errorf("the hub received the events %v", got)
				}
				if !h.reported() {
					t.Error("the twin has no reported properties")
				}
			})
		})
	}
}

// pickyHub simulates a hub that fails at some requests. It serves TLS connections in
// memory.
type pickyHub struct {
	t    *testing.T
	cert tls.Certificate
	opts mqtt.Options

	mu      sync.Mutex
	fails   func(topic string) bool
	closes  bool
	conn    net.Conn // the newest connection that has subscribed; nil if it has ended
	count   int      // number of connections that have subscribed
	answers map[string]chan struct{}
	events  []int // sequence numbers of the received events
	report  bool
}

func newPickyHub(t *testing.T) *pickyHub {
	t.Helper()
	now := time.Now()
	cert, roots := testCertificate(t, "localhost", now.Add(-time.Hour), now.Add(24*time.Hour))
	key, err := iothub.ParseKey(testKey)
	if err != nil {
		t.Fatal(err)
	}

	h := &pickyHub{t: t, cert: cert, answers: make(map[string]chan struct{})}
	h.opts = mqtt.Options{
		Device:  iothub.Device{HostName: "localhost", DeviceID: "d1", Key: key},
		RootCAs: trust.Pool(roots),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			device, server := net.Pipe()
			go h.serve(tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}}))
			return device, nil
		},
	}
	return h
}

// startAgent connects an agent with a mock lock to the hub. waiting returns the number
// of events that are still queued.
func (h *pickyHub) startAgent(log *zap.Logger) (waiting func() int, stop func()) {
	h.t.Helper()
	store, err := agent.OpenStore("", log)
	if err != nil {
		h.t.Fatal(err)
	}
	queue := events.Open("", events.DefaultLimits, log)
	clock := actuator.Clock{Now: time.Now, Uptime: func() time.Duration { return time.Hour }, BootID: "1"}
	lock := actuator.New(actuator.Config{AtPowerOn: actuator.Locked, ConfirmTimeout: time.Second},
		mock.New(mock.Config{}, actuator.Locked), agent.Recorder{Store: store, Events: queue}, actuator.Record{}, clock, log)
	a := agent.New(agent.Config{Driver: "mock", Mode: actuator.Hold, Version: "1.2.3", Now: time.Now, Events: queue, Log: log}, lock, store)
	h.opts.Logger = log

	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { lock.Run(ctx) })
	tasks.Go(func() { a.Run(ctx) })
	tasks.Go(func() {
		err := mqtt.Run(ctx, h.opts, func(ctx context.Context, link *mqtt.Link) error {
			a.Serve(ctx, link)
			return nil
		})
		if err != nil {
			h.t.Error(err)
		}
	})

	return func() int { return queue.Counts().Waiting }, func() {
		cancel()
		tasks.Wait()
		store.Close()
		queue.Close()
	}
}

// set chooses the requests at which the hub fails from now on.
func (h *pickyHub) set(fails func(topic string) bool, closes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fails, h.closes = fails, closes
}

func (h *pickyHub) links() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

func (h *pickyHub) received() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events
}

func (h *pickyHub) reported() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.report
}

// call calls a method and reports whether it was answered within 5 s.
func (h *pickyHub) call(n int) bool {
	id := fmt.Sprint(n)
	answer := make(chan struct{}, 1)
	h.mu.Lock()
	conn := h.conn
	h.answers[id] = answer
	h.mu.Unlock()
	if conn == nil {
		return false
	}

	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName = iothub.MethodRequestTopic([]string{"unlockDoor", "lockDoor"}[n%2], id)
	if m.Write(conn) != nil {
		return false
	}
	select {
	case <-answer:
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}

// serve serves one connection.
func (h *pickyHub) serve(conn net.Conn) {
	defer conn.Close()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.conn == conn {
			h.conn = nil
		}
	}()

	for {
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		switch p := packet.(type) {
		case *packets.ConnectPacket:
			packets.NewControlPacket(packets.Connack).Write(conn)
		case *packets.SubscribePacket:
			ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			ack.MessageID, ack.ReturnCodes = p.MessageID, make([]byte, len(p.Topics))
			h.mu.Lock()
			h.conn, h.count = conn, h.count+1
			h.mu.Unlock()
			ack.Write(conn)
		case *packets.PingreqPacket:
			packets.NewControlPacket(packets.Pingresp).Write(conn)
		case *packets.PublishPacket:
			if !h.receive(conn, p) {
				return
			}
		case *packets.DisconnectPacket:
			return
		}
	}
}

// receive handles a message from the agent. It returns false if the hub closes the link.
func (h *pickyHub) receive(conn net.Conn, p *packets.PublishPacket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fails != nil && h.fails(p.TopicName) {
		return !h.closes
	}

	answer := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	switch _, id, _ := strings.Cut(p.TopicName, "$rid="); {
	case strings.HasPrefix(p.TopicName, "$iothub/methods/res/"):
		h.answers[id] <- struct{}{}
		return true
	case strings.HasPrefix(p.TopicName, "$iothub/twin/GET/"):
		answer.TopicName = iothub.TwinResponse{Status: 200, RequestID: id}.Topic()
		answer.Payload = []byte(`{"desired":{"$version":1},"reported":{"$version":1}}`)
	case strings.HasPrefix(p.TopicName, "$iothub/twin/PATCH/properties/reported/"):
		h.report = true
		answer.TopicName = iothub.TwinResponse{Status: 204, RequestID: id, Version: 2}.Topic()
	default:
		var event struct{ Seq int }
		if err := json.Unmarshal(p.Payload, &event); err != nil {
			h.t.Error(err)
		}
		h.events = append(h.events, event.Seq)
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = p.MessageID
		return ack.Write(conn) == nil
	}
	return answer.Write(conn) == nil
}
