package mqtt

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	connectTimeout = 30 * time.Second // limit for CONNECT and for SUBSCRIBE, each
	writeTimeout   = 30 * time.Second // the link ends if a write takes longer
	quiesce        = 250              // longest time for a DISCONNECT, in milliseconds
)

// connect tries once to connect to the hub: TCP, TLS, CONNECT and SUBSCRIBE. The
// returned link has all its subscriptions. lastError says why the previous link ended.
func (s *settings) connect(ctx context.Context, lastError string) (*Link, error) {
	conn, err := s.server.Connect(ctx)
	if err != nil {
		return nil, err
	}

	link := newLink(s, conn, lastError)
	link.client = paho.NewClient(s.clientOptions(link))
	if err := s.login(ctx, link); err != nil {
		link.close(err)
		return nil, err
	}
	if err := s.subscribe(ctx, link); err != nil {
		link.close(err)
		return nil, err
	}

	s.server.Addresses.Works()
	return link, nil
}

// clientOptions returns the options of the paho MQTT client for this link. The client
// uses the link's open connection and never opens another. Paho's own reconnecting is
// off, because it hides the hub's answer and tries MQTT 3.1.
func (s *settings) clientOptions(link *Link) *paho.ClientOptions {
	o := paho.NewClientOptions()
	o.AddBroker("tls://" + s.server.Address) // paho requires an address here but never connects to it
	o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return link.conn, nil })
	o.SetProtocolVersion(4)
	o.SetCleanSession(true)
	o.SetAutoReconnect(false)
	o.SetConnectRetry(false)

	o.SetConnectTimeout(connectTimeout)
	o.SetKeepAlive(s.KeepAlive)
	o.SetPingTimeout(s.pingTimeout())
	o.SetWriteTimeout(writeTimeout)

	login := s.credentials()
	o.SetClientID(login.clientID)
	o.SetUsername(login.userName)
	o.SetPassword(login.password)

	// One handler receives the messages of all subscriptions. Paho removes a
	// subscription's own handler as soon as it sends UNSUBSCRIBE. It would then drop
	// messages that arrive before the hub has unsubscribed the device.
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { link.receive(m) })
	o.SetConnectionLostHandler(func(_ paho.Client, err error) { link.end(s.lossError(err, link.waiting())) })
	return o
}

// login sends CONNECT and waits for the hub's CONNACK.
func (s *settings) login(ctx context.Context, link *Link) error {
	// Paho's Connect takes no context. When ctx ends, closing the connection makes
	// Connect return.
	stop := context.AfterFunc(ctx, func() { link.conn.Close() })
	token := link.client.Connect().(*paho.ConnectToken)
	<-token.Done()
	if !stop() {
		return context.Cause(ctx)
	}

	switch code := token.ReturnCode(); {
	case code == packets.ErrNetworkError:
		return s.server.Explain(token.Error())
	case code != packets.Accepted:
		return s.refusal(code)
	case token.Error() != nil:
		return s.server.Explain(token.Error())
	}

	return nil
}

// subscribe subscribes to direct methods, twin answers and changes of desired
// properties. It waits until the hub has granted all three subscriptions.
func (s *settings) subscribe(ctx context.Context, link *Link) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()

	filters := map[string]byte{iothub.MethodsFilter: 0, iothub.TwinResponsesFilter: 0, iothub.DesiredFilter: 0}
	token, err := link.await(ctx, func() paho.Token { return link.client.SubscribeMultiple(filters, nil) })
	if reason := link.endedError(); reason != nil {
		return reason // it names the hub
	}
	if err != nil {
		return fmt.Errorf("hub at %s: subscribe to methods and twin: %w", s.server.Address, err)
	}

	granted := token.(*paho.SubscribeToken).Result()
	for filter := range filters {
		if qos, ok := granted[filter]; !ok || qos > 2 {
			return fmt.Errorf("hub at %s: it refused the subscription to %s; check that the address belongs to an IoT Hub", s.server.Address, filter)
		}
	}

	return nil
}

// pingTimeout returns how long the hub may take to answer a ping.
func (s *settings) pingTimeout() time.Duration { return min(20*time.Second, s.KeepAlive) }
