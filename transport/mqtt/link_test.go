package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// TestConnectGolden compares the CONNECT packet byte for byte. The packet contains the
// protocol level 4, the flags for user name, password and clean session, the
// keep-alive, the client id, the user name and the token. The official Node SDK made
// the same token for the same key and time.
func TestConnectGolden(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	startDevice(t, p, func(o *mqtt.Options) {
		o.ModelID = "dtmi:latchd:DoorLock;1"
		o.ProductInfo = "latchd/1.0.0 linux; arm64"
		o.KeepAlive = 180 * time.Second
	})

	s := p.next(t)
	const user = "localhost/d1/?api-version=2021-04-12&model-id=dtmi:latchd:DoorLock;1&DeviceClientType=latchd%2F1.0.0%20linux%3B%20arm64"
	const password = "SharedAccessSignature sr=localhost%2Fdevices%2Fd1&sig=LxqMOgDXQug55pDsSpIRBcoD%2Fq82xxjlGgmdqWUGHSI%3D&se=1795437432"
	want := "\x10\xfd\x01" + "\x00\x04MQTT\x04\xc2\x00\xb4" + "\x00\x02d1" +
		"\x00" + string([]byte{byte(len(user))}) + user + "\x00" + string([]byte{byte(len(password))}) + password
	if got := string(s.raw); got != want {
		t.Errorf("CONNECT\n got %q\nwant %q", got, want)
	}
	slices.Sort(s.filters)
	if want := []string{"$iothub/methods/POST/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/twin/res/#"}; !slices.Equal(s.filters, want) {
		t.Errorf("filters %q, want %q", s.filters, want)
	}
}

// A device with a certificate must send its certificate and its user name, but no
// password.
func TestConnectWithCertificate(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	shown, _ := testCertificate(t, "d1", connectedAt.Add(-time.Hour), connectedAt.Add(time.Hour))

	startDevice(t, p, func(o *mqtt.Options) {
		o.Device.Key, o.Device.X509 = nil, true
		o.Certificate = func() (tls.Certificate, error) { return shown, nil }
	})

	s := p.next(t)
	const user = "localhost/d1/?api-version=2021-04-12&DeviceClientType=latchd"
	want := "\x10\x4c" + "\x00\x04MQTT\x04\x82\x00\x3c" + "\x00\x02d1" + "\x00" + string([]byte{byte(len(user))}) + user
	if got := string(s.raw); got != want {
		t.Errorf("CONNECT\n got %q\nwant %q", got, want)
	}
	if certs := s.conn.(*tls.Conn).ConnectionState().PeerCertificates; len(certs) != 1 || certs[0].Subject.CommonName != "d1" {
		t.Errorf("the device sent %d certificates", len(certs))
	}
}

// The user name and the token must contain the hub's name, even if the device connects
// to another address.
func TestEndpointApartFromHostName(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name   string
		change func(o *mqtt.Options, p *peer)
	}{
		{"endpoint", func(o *mqtt.Options, p *peer) { o.Device.Gateway = "gateway.invalid" }},
		{"gateway of the connection string", func(o *mqtt.Options, p *peer) { o.Endpoint, o.Device.Gateway = "", p.address }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, nil)
			startDevice(t, p, func(o *mqtt.Options) {
				o.Device.HostName = "myhub.azure-devices.net"
				test.change(o, p)
			})
			s := p.next(t)
			if want := "myhub.azure-devices.net/d1/?api-version=2021-04-12&DeviceClientType=latchd"; s.connect.Username != want {
				t.Errorf("user name %q, want %q", s.connect.Username, want)
			}
			token, err := iothub.ParseSignature(string(s.connect.Password))
			if err != nil || token.Resource != "myhub.azure-devices.net/devices/d1" || !token.Expiry.Equal(connectedAt.Add(time.Hour)) {
				t.Errorf("token for %q until %s, %v", token.Resource, token.Expiry, err)
			}
		})
	}
}

func TestMethodAndAnswer(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)

	s.method("17", "lockDoor", `{"reason":"night"}`)
	m := receive(t, link.Methods(), "a method")
	if m.Name != "lockDoor" || m.RequestID != "17" || string(m.Payload) != `{"reason":"night"}` {
		t.Fatalf("got %+v", m)
	}
	answer := iothub.MethodResponse{Status: 200, Payload: []byte(`{"position":"locked"}`)}
	if err := link.Respond(t.Context(), "17", answer); err != nil {
		t.Fatal(err)
	}

	s.wantMessage(t, "$iothub/methods/res/200/?$rid=17", `{"position":"locked"}`)

	if err := link.Respond(t.Context(), "17", answer); err == nil {
		t.Error("Respond accepted a second answer to the same request")
	}
	if err := link.Respond(t.Context(), "99", answer); err == nil {
		t.Error("Respond accepted an answer to an unknown request")
	}

	s.method("18", "ping", "")
	receive(t, link.Methods(), "a method")
	if err := link.Respond(t.Context(), "18", iothub.MethodResponse{Status: 404}); err != nil {
		t.Fatal(err)
	}
	s.wantMessage(t, "$iothub/methods/res/404/?$rid=18", "null")
}

func TestMethodSentTwiceIsDeliveredOnce(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.method("1", "unlockDoor", "null")
	s.method("1", "unlockDoor", "null")
	s.method("2", "lockDoor", "null")

	for _, want := range []string{"1", "2"} {
		if m := receive(t, link.Methods(), "a method"); m.RequestID != want {
			t.Fatalf("got request %s, want %s", m.RequestID, want)
		}
	}
}

// A full inbox must drop and count further methods. The link must stay up.
func TestMethodFlood(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	for i := range 70 {
		s.method(strconv.Itoa(i), "ping", "null")
	}
	if _, err := link.Twin(t.Context()); err != nil { // after this answer, all methods have arrived

		t.Fatal(err)
	}
	for range 64 {
		receive(t, link.Methods(), "a method")
	}
	if n := d.logs.FilterMessageSnippet("dropped a method because too many are waiting").Len(); n != 6 {
		t.Errorf("the log has %d dropped methods, want 6", n)
	}

	s.method("last", "ping", "null")
	if m := receive(t, link.Methods(), "a method"); m.RequestID != "last" {
		t.Errorf("after the flood: got request %s", m.RequestID)
	}
}

func TestTwin(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.onTwinGet = nil })
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)

	for _, test := range []struct {
		name, answer, payload string
		check                 func(twin iothub.DeviceTwin, err error) bool
	}{
		{"given", "200", `{"desired":{"building":"43","$version":7},"reported":{"$version":3}}`,
			func(twin iothub.DeviceTwin, err error) bool {
				return err == nil && twin.Desired["building"] == "43" && twin.Desired.Version() == 7 && twin.Reported.Version() == 3
			}},
		{"throttled", "429", `{"errorCode":429001,"message":"slow down","trackingId":"T"}`,
			func(_ iothub.DeviceTwin, err error) bool {
				refusal, ok := errors.AsType[*iothub.Error](err)
				return ok && refusal.Status == 429 && refusal.Code == iothub.CodeThrottling &&
					refusal.Message == "slow down" && refusal.TrackingID == "T"
			}},
		{"refused without a body", "500", "",
			func(_ iothub.DeviceTwin, err error) bool {
				refusal, ok := errors.AsType[*iothub.Error](err)
				return ok && refusal.Status == 500
			}},
		{"not a twin", "200", `{"desired":{}}`, func(_ iothub.DeviceTwin, err error) bool { return err != nil }},
		{"not JSON", "200", `{`, func(_ iothub.DeviceTwin, err error) bool { return err != nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			type result struct {
				twin iothub.DeviceTwin
				err  error
			}
			results := make(chan result, 1)
			go func() {
				twin, err := link.Twin(t.Context())
				results <- result{twin, err}
			}()
			m := s.message(t)
			if string(m.Payload) != " " {
				t.Errorf("the request is %q, want one space", m.Payload)
			}
			s.publish("$iothub/twin/res/"+test.answer+"/?$rid="+m.TopicName[len("$iothub/twin/GET/?$rid="):], test.payload)
			if r := receive(t, results, "the result"); !test.check(r.twin, r.err) {
				t.Errorf("got %v, %v", r.twin, r.err)
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)

	type result struct {
		version int64
		err     error
	}

	results := make(chan result, 1)
	report := func(ctx context.Context) string {
		go func() {
			version, err := link.Report(ctx, iothub.Object{"lock": map[string]any{"fault": nil}})
			results <- result{version, err}
		}()
		m := s.message(t)
		if string(m.Payload) != `{"lock":{"fault":null}}` {
			t.Errorf("reported %s", m.Payload)
		}
		return m.TopicName[len("$iothub/twin/PATCH/properties/reported/?$rid="):]
	}

	id := report(t.Context())
	s.publish("$iothub/twin/res/204/?$rid="+id+"&$version=12", "")
	if r := receive(t, results, "the result"); r.err != nil || r.version != 12 {
		t.Errorf("accepted: got %+v", r)
	}

	id = report(t.Context())
	s.publish("$iothub/twin/res/400/?$rid="+id, `{"errorCode":400,"message":"too deep"}`)
	r := receive(t, results, "the result")
	if refusal, ok := errors.AsType[*iothub.Error](r.err); !ok || refusal.Status != 400 || refusal.Message != "too deep" {
		t.Errorf("refused: got %+v", r)
	}

	late := report(t.Context())
	for range 3 { // timers of the two earlier requests and of this request
		d.clock.fire(t, 30*time.Second)
	}
	if r := receive(t, results, "the result"); !errors.Is(r.err, mqtt.ErrNoAnswer) {
		t.Errorf("not answered: got %+v", r)
	}

	ctx, cancel := context.WithCancel(t.Context())
	report(ctx)
	cancel()
	if r := receive(t, results, "the result"); !errors.Is(r.err, context.Canceled) {
		t.Errorf("cancelled: got %+v", r)
	}

	// The link must drop an answer that arrives too late. The next request must get its
	// own answer.
	id = report(t.Context())
	s.publish("$iothub/twin/res/204/?$rid="+late+"&$version=13", "")
	s.publish("$iothub/twin/res/204/?$rid="+id+"&$version=14", "")
	if r := receive(t, results, "the result"); r.err != nil || r.version != 14 {
		t.Errorf("after a late answer: got %+v", r)
	}

	report(t.Context())
	s.conn.Close()
	if r := receive(t, results, "the result"); !errors.Is(r.err, mqtt.ErrLinkEnded) {
		t.Errorf("link lost: got %+v", r)
	}
}

func TestDesired(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.publish("$iothub/twin/PATCH/properties/desired/?$version=2", `{"floor":3,"$version":2}`)
	s.publish("$iothub/twin/PATCH/properties/desired/?$version=3", `[]`)
	s.publish("$iothub/twin/PATCH/properties/desired/?$version=x", `{"floor":4}`)
	s.publish("$iothub/twin/PATCH/properties/desired/?$version=4", `{"floor":null}`)
	s.publish("somewhere/else", `{}`)
	first := receive(t, link.Desired(), "a change")
	for range 2 {
		if unreadable := receive(t, link.Desired(), "an unreadable change"); unreadable != nil {
			t.Errorf("got %v, want nil for a change that the link cannot read", unreadable)
		}
	}
	second := receive(t, link.Desired(), "a change")
	if first["floor"] == nil || first.Version() != 2 {
		t.Errorf("got %v", first)
	}

	if floor, there := second["floor"]; floor != nil || !there || second.Version() != 4 {
		t.Errorf("got %v, want the deletion with the version from the topic", second)
	}
}

// If too many property changes arrive, the inbox must keep the newest ones. The device
// then sees a gap in the versions.
func TestDesiredFlood(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	for v := range 70 {
		s.publish(iothub.DesiredTopic(int64(v+1)), `{}`)
	}
	if _, err := link.Twin(t.Context()); err != nil {
		t.Fatal(err)
	}

	for want := int64(63); want <= 70; want++ {
		if got := receive(t, link.Desired(), "a change").Version(); got != want {
			t.Fatalf("got version %d, want %d", got, want)
		}
	}
}

// When the link is lost, waiting methods must be dropped. Answers to methods that the
// device has received must fail.
func TestLostLinkDiscardsMethods(t *testing.T) {
	t.Parallel()

	p := newPeer(t, nil)
	d := startDevice(t, p, nil)
	s, link := p.next(t), d.link(t)
	s.method("1", "lockDoor", "null")
	s.method("2", "lockDoor", "null")
	receive(t, link.Methods(), "a method")
	if _, err := link.Twin(t.Context()); err != nil { // after this answer, both methods have arrived

		t.Fatal(err)
	}
	s.conn.Close()
	receiveEnd(t, link.ctx)
	closed(t, link.Methods(), "the methods")
	if err := link.Respond(t.Context(), "1", iothub.MethodResponse{Status: 200}); !errors.Is(err, mqtt.ErrLinkEnded) {
		t.Errorf("Respond on a lost link: %v", err)
	}

	if _, err := link.Twin(t.Context()); !errors.Is(err, mqtt.ErrLinkEnded) {
		t.Errorf("Twin on a lost link: %v", err)
	}
}

// A ping must detect a hub that is silent while its connection stays open. This test
// runs in real time, because paho's keep-alive does not use the simulated clock.
func TestSilentHub(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.deaf = true })
	d := startDevice(t, p, func(o *mqtt.Options) { o.KeepAlive = time.Second })
	p.next(t)
	receiveEnd(t, d.link(t).ctx)
	d.clock.fire(t, 500*time.Millisecond)
	p.next(t)
	if got, want := d.link(t).LastError(), "hub at "+p.address+": the hub did not answer a ping within 1s; check the network"; got != want {
		t.Errorf("last error %q, want %q", got, want)
	}
}

// receiveEnd waits until the context of the serve function ends.
func receiveEnd(t *testing.T, ctx context.Context) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Fatal("serve's context did not end")
	}
}
