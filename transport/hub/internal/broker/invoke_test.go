package broker

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

func TestInvokeReachesOneDevice(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	d1, d2 := f.connect(t, "d1"), f.connect(t, "d2")

	first := f.invoke("d1", "lockDoor", `{"reason":"x"}`, 0)
	name, _, payload := d1.answer(200, `{"position":"locked"}`)
	if name != "lockDoor" || payload != `{"reason":"x"}` {
		t.Errorf("d1 received %s %s", name, payload)
	}
	got := next(t, first)
	if got.err != nil || got.response.Status != 200 || string(got.response.Payload) != `{"position":"locked"}` {
		t.Errorf("the result is %+v", got)
	}

	// The first packet that d2 receives must be its own call. So d2 has not received the
	// call for d1.
	second := f.invoke("d2", "ping", "", 0)
	name, _, payload = d2.answer(404, "")
	if name != "ping" || payload != "" {
		t.Errorf("d2 received %s %q, want ping without a payload", name, payload)
	}
	got = next(t, second)
	if got.err != nil || got.response.Status != 404 || string(got.response.Payload) != "null" {
		t.Errorf("the result is %+v", got)
	}

	third := f.invoke("d2", "ping", "null", 0)
	if _, _, payload = d2.answer(200, `'Door was locked.'`); payload != "null" {
		t.Errorf("d2 received %q, want the explicit null", payload)
	}
	if got = next(t, third); got.err != nil || string(got.response.Payload) != `"Door was locked."` {
		t.Errorf("the result is %+v", got)
	}
}

func TestInvokeRefusals(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	c := f.dial(t)
	c.login(connectPacket("deaf"))
	c.subscribe(iothub.TwinResponsesFilter)
	for _, test := range []struct {
		device, method string
		seconds        int
		want           iothub.Code
	}{
		{"nobody", "m", 5, iothub.CodeDeviceNotOnline},
		{"deaf", "m", 5, iothub.CodeDeviceNotOnline},
		{"deaf", "a/b", 5, iothub.CodeArgumentInvalid},
		{"deaf", "#", 5, iothub.CodeArgumentInvalid},
		{"deaf", "m", 4, iothub.CodeArgumentInvalid},
	} {
		got := next(t, f.invoke(test.device, test.method, "", test.seconds))
		wantCode(t, got.err, test.want)
	}
}

func TestInvokeBadAnswers(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	d := f.connect(t, "d1")
	for name, payload := range map[string]string{
		"not JSON":      `{"position":`,
		"too long":      `"` + strings.Repeat("x", iothub.MaxMethodPayload) + `"`,
		"too deep":      strings.Repeat("[", 49) + strings.Repeat("]", 49),
		"a long number": strings.Repeat("1", 65),
	} {
		t.Run(name, func(t *testing.T) {
			done := f.invoke("d1", "m", "", 5)
			d.answer(200, payload)
			wantCode(t, next(t, done).err, iothub.CodeInvalidResponse)
		})
	}
}

func TestInvokeIgnoresAnswersOfOtherDevices(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	d1, d2 := f.connect(t, "d1"), f.connect(t, "d2")
	done := f.invoke("d1", "m", "", 0)
	pk := d1.expect(packets.Publish)
	_, rid, err := iothub.ParseMethodRequest(pk.TopicName)
	if err != nil {
		t.Fatal(err)
	}

	d2.publish(1, iothub.MethodResponseTopic(200, rid), `"d2"`)       // at QoS 1, publish waits until the hub has handled the message
	d1.publish(1, iothub.MethodResponseTopic(200, rid+"0"), `"none"`) // a request id that the hub does not know
	d1.publish(1, iothub.MethodResponseTopic(201, rid), `"d1"`)
	d1.publish(1, iothub.MethodResponseTopic(202, rid), `"again"`)

	got := next(t, done)
	if got.err != nil || got.response.Status != 201 || string(got.response.Payload) != `"d1"` {
		t.Errorf("the result is %+v", got)
	}
	if len(done) != 0 {
		t.Errorf("the call ended twice: %+v", <-done)
	}
}

func TestInvokeAnsweredOnTheNextConnection(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	d := f.connect(t, "d1")
	done := f.invoke("d1", "m", "", 0)
	_, rid, err := iothub.ParseMethodRequest(d.expect(packets.Publish).TopicName)
	if err != nil {
		t.Fatal(err)
	}
	d.conn.Close()
	d = f.connect(t, "d1")
	d.publish(0, iothub.MethodResponseTopic(200, rid), `1`)
	if got := next(t, done); got.err != nil || string(got.response.Payload) != "1" {
		t.Errorf("the result is %+v", got)
	}
}

func TestWait(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	waited := make(chan error, 2)
	for range 2 {
		go func() { waited <- f.Wait(t.Context(), "d1") }()
	}
	f.connect(t, "d1")
	for range 2 {
		if err := next(t, waited); err != nil {
			t.Errorf("Wait: %v", err)
		}
	}
	if err := f.Wait(t.Context(), "d1"); err != nil {
		t.Errorf("Wait for a connected device: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Wait(ctx, "d2"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Wait: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 1)
	defer cancel()
	wantCode(t, f.Wait(ctx, "d2"), iothub.CodeDeviceNotOnline)
	if n := len(f.links.waiting); n != 0 {
		t.Errorf("%d waiters were not removed", n)
	}
}

// OnReady calls its function once: when the device subscribes to methods, or at once if it
// is already subscribed.
func TestOnReady(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	notified := make(chan string, 3)
	f.OnReady("d1", func() { notified <- "first" })
	cancel := f.OnReady("d1", func() { notified <- "cancelled" })
	cancel()
	c := f.dial(t)
	c.login(connectPacket("d1"))
	c.subscribe(iothub.TwinResponsesFilter)
	if f.Online("d1") || len(notified) != 0 {
		t.Errorf("a device without a subscription to methods is online: %t, %d notifications", f.Online("d1"), len(notified))
	}

	c.subscribe(iothub.MethodsFilter)
	if got := next(t, notified); got != "first" || !f.Online("d1") {
		t.Errorf("notified %q, online %t", got, f.Online("d1"))
	}
	f.OnReady("d1", func() { notified <- "second" })
	if got := next(t, notified); got != "second" || len(notified) != 0 {
		t.Errorf("notified %q, and %d more", got, len(notified))
	}
	if n := len(f.links.waiting); n != 0 {
		t.Errorf("%d waiters were not removed", n)
	}
}

func TestCloseEndsPendingCalls(t *testing.T) {
	f := start(t, newFakeBackend(), Options{})
	d := f.connect(t, "d1")
	done := f.invoke("d1", "m", "", 300)
	d.expect(packets.Publish)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, next(t, done).err, iothub.CodeServiceUnavailable)
	d.expectEnd()
	if got := next(t, f.invoke("d1", "m", "", 300)); got.err == nil {
		t.Error("a closed broker accepted a call")
	}
}
