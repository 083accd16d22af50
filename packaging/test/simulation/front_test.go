package simulation

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
)

// The addresses of the front. The certificate is valid for the hub's name.
const (
	frontMQTTAddress  = hubName + ":18883"
	frontHTTPSAddress = hubName + ":10443"
)

// front stands between the hub and its clients, like the load balancers of a large hub. It
// passes on what it receives, unless the plan tells it to refuse or to lose requests.
type front struct {
	world     *world
	listeners []net.Listener
	server    *http.Server
	path      *path // to the hub
	rest      atomic.Pointer[misconduct]
	tasks     sync.WaitGroup
}

// misconduct says what the front does with requests of one client.
type misconduct struct {
	kind   string
	status int // of refusals
	share  int // one request of this many is affected

	number atomic.Int64
}

func (m *misconduct) String() string {
	return fmt.Sprintf("%s, status %d, one of %d", m.kind, m.status, m.share)
}

// applies reports whether m affects this request of one of the given kinds.
func (m *misconduct) applies(kinds ...string) bool {
	if m == nil {
		return false
	}
	for _, kind := range kinds {
		if m.kind == kind {
			return m.number.Add(1)%int64(m.share) == 0
		}
	}
	return false
}

// The kinds of misconduct towards devices.
const (
	refuseLogin  = "refuse logins"
	refuseTwin   = "refuse twin requests"
	loseTwin     = "leave twin requests without an answer"
	closeOnEvent = "close the link at a message"
	loseEvent    = "leave messages without an acknowledgement"
	loseAnswer   = "lose answers to methods"
	badSuback    = "acknowledge subscriptions with one code too many"
	strayMethod  = "send a retained method with each answer to a method"
	garbage      = "send a malformed packet with each answer to a method"
	refuseREST   = "refuse requests"
	loseREST     = "execute requests and refuse them then"
)

var deviceMisconduct = []string{refuseLogin, refuseTwin, refuseTwin, loseTwin, closeOnEvent, loseEvent, loseAnswer, badSuback, strayMethod, garbage}

var refusalCodes = []int{400, 401, 403, 404, 409, 412, 413, 429, 500, 503}

func randomMisconduct(random *rand.Rand, kinds []string) *misconduct {
	return &misconduct{
		kind: kinds[random.IntN(len(kinds))], status: refusalCodes[random.IntN(len(refusalCodes))], share: 1 + random.IntN(4),
	}
}

// startFront starts the front. It runs until close is called.
func startFront(w *world) (*front, error) {
	f := &front{world: w, path: w.network.newPath("front", w.seed)}
	f.path.delay = time.Millisecond
	dir := w.site.directory()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	mqtt, err := w.network.listen("tcp", frontMQTTAddress)
	if err != nil {
		return nil, err
	}
	https, err := w.network.listen("tcp", frontHTTPSAddress)
	if err != nil {
		return nil, err
	}
	f.listeners = []net.Listener{mqtt, https}

	f.server = &http.Server{Handler: f.handler(), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, ErrorLog: quiet()}
	f.tasks.Go(func() { f.server.Serve(tls.NewListener(https, config)) })
	f.tasks.Go(func() {
		for {
			c, err := mqtt.Accept()
			if err != nil {
				return
			}
			f.tasks.Go(func() { f.serve(tls.Server(c, config), c.RemoteAddr()) })
		}
	})
	return f, nil
}

func (f *front) close() {
	f.server.Close()
	for _, l := range f.listeners {
		l.Close()
	}
	f.path.cut()
	f.tasks.Wait()
}

// dialHub connects to the hub.
func (f *front) dialHub(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw, err := f.path.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// handler passes requests to the service API on.
func (f *front) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", httpsAddress, r.In.Host
		},
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dialHub(ctx, httpsAddress) },
			DisableKeepAlives: true,
		},
		ErrorLog: quiet(),
		ModifyResponse: func(r *http.Response) error {
			if m := f.rest.Load(); m.applies(loseREST) {
				return fmt.Errorf("lost")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusServiceUnavailable) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := f.rest.Load(); m.applies(refuseREST) {
			w.WriteHeader(m.status)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// serve passes the packets between a device and the hub on.
func (f *front) serve(device net.Conn, remote net.Addr) {
	defer device.Close()
	id, _, _ := strings.Cut(remote.String(), ":")
	g := f.world.gatewayOf(id)
	first, err := receive(device)
	if err != nil {
		return
	}
	if m := g.misconduct.Load(); m.applies(refuseLogin) {
		refusal := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
		refusal.ReturnCode = byte(1 + m.status%5)
		refusal.Write(device)
		return
	}

	hub, err := f.dialHub(context.Background(), mqttAddress)
	if err != nil {
		return
	}
	defer hub.Close()
	if first.Write(hub) != nil {
		return
	}

	f.tasks.Go(func() {
		defer device.Close()
		defer hub.Close()
		for {
			p, err := packets.ReadPacket(hub)
			if err != nil || g.down(p, device) != nil {
				return
			}
		}
	})
	for {
		p, err := receive(device)
		if err != nil || g.up(p, device, hub) != nil {
			return
		}
	}
}

// receive reads a packet of a device. Like a hub, the front gives up on a device that has
// been silent for one and a half times its keep-alive.
func receive(device net.Conn) (packets.ControlPacket, error) {
	device.SetReadDeadline(time.Now().Add(90 * time.Second))
	return packets.ReadPacket(device)
}

// down passes a packet of the hub on to the device.
func (g *gateway) down(p packets.ControlPacket, device net.Conn) error {
	if suback, ok := p.(*packets.SubackPacket); ok && g.misconduct.Load().applies(badSuback) {
		suback.ReturnCodes = append(suback.ReturnCodes, 0)
	}
	return p.Write(device)
}

var errClosedByFront = fmt.Errorf("the front closes the link")

// up passes a packet of the device on to the hub, or does what the plan tells.
func (g *gateway) up(p packets.ControlPacket, device, hub net.Conn) error {
	publish, ok := p.(*packets.PublishPacket)
	if !ok {
		return p.Write(hub)
	}

	m := g.misconduct.Load()
	_, requestID, err := iothub.ParseTwinRequest(publish.TopicName)
	switch {
	case err == nil && m.applies(loseTwin):
		return nil
	case err == nil && m.applies(refuseTwin):
		return send(device, iothub.TwinResponse{Status: m.status, RequestID: requestID}.Topic(), `{"message":"refused by the simulation"}`, false)
	case err == nil:
		return p.Write(hub)
	}

	if strings.HasPrefix(publish.TopicName, "devices/") {
		switch {
		case m.applies(closeOnEvent):
			return errClosedByFront
		case m.applies(loseEvent):
			return nil
		}
		return p.Write(hub)
	}

	switch {
	case m.applies(loseAnswer):
		return nil
	case m.applies(strayMethod):
		if err := send(device, iothub.MethodRequestTopic("unlockDoor", "stray"), `{"hold":true,"reason":"`+strayReason+`"}`, true); err != nil {
			return err
		}
	case m.applies(garbage):
		if _, err := device.Write([]byte{0x90, 2, 0, 1}); err != nil { // a SUBACK without codes
			return err
		}
	}
	return p.Write(hub)
}

// strayReason is the reason of a retained method, which no device may execute.
const strayReason = "retained"

// send sends a message to a device.
func send(device net.Conn, topic, payload string, retain bool) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Retain = topic, []byte(payload), retain
	return p.Write(device)
}

// misbehave adds a time in which the front treats a client badly. If g does not use the
// front, another gateway is chosen.
func (p *planner) misbehave(g *gateway) {
	for !g.fitting.front {
		g = p.gateway()
	}
	target, kinds, whose := &g.misconduct, deviceMisconduct, g.id()
	if p.random.IntN(5) == 0 {
		target, kinds, whose = &p.front.rest, []string{refuseREST, loseREST}, "the technician"
	}
	m := randomMisconduct(p.random, kinds)
	p.add(fmt.Sprint("towards ", whose, ": ", m), func() { target.Store(m) })
	p.repairAfter(p.upTo(4*time.Minute), "nothing of that towards "+whose, func() { target.Store(nil) })
}
