package mqtt_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// network forwards TCP connections between a gateway and its hub. A test can disturb
// each of the two directions.
type network struct {
	t       *testing.T
	hub     string // address of the hub
	address string // address to which the gateway connects instead

	mu          sync.Mutex
	listener    net.Listener // nil while the network is stopped
	connections []net.Conn   // all connections since the network was last started or cut
	toHub       faults
	toGateway   faults
}

// faults says how one direction of a network is disturbed.
type faults struct {
	drop           bool          // discard all data, but keep the connections open
	reset          bool          // reset a connection when data arrives
	latency        time.Duration // delay all data by this time
	bytesPerSecond int           // 0 means unlimited
}

func newNetwork(t *testing.T, h *testHub) *network {
	t.Helper()

	n := &network{t: t, hub: h.at.MQTT.String(), address: "127.0.0.1:0"}
	n.start()
	t.Cleanup(n.stop)
	return n
}

// start starts to accept connections from gateways.
func (n *network) start() {
	n.t.Helper()

	listener, err := net.Listen("tcp", n.address)
	if err != nil {
		n.t.Fatal(err)
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	n.listener, n.address = listener, listener.Addr().String()

	go func() {
		for {
			gateway, err := listener.Accept()
			if err != nil {
				return
			}
			go n.forward(gateway)
		}
	}()
}

// stop closes all connections and accepts no new ones.
func (n *network) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()

	if n.listener != nil {
		n.listener.Close()
		n.listener = nil
	}
	n.closeConnections()
}

// cut closes all connections once. Gateways can connect again immediately.
func (n *network) cut() {
	n.t.Helper()

	n.stop()
	n.start()
}

// impair disturbs the two directions of the network with the given faults.
func (n *network) impair(toHub, toGateway faults) {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.toHub, n.toGateway = toHub, toGateway
}

// heal ends all disturbances of the network. If the network discarded data, heal also
// closes the connections, because data is missing in their streams.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()

	if n.toHub.drop || n.toGateway.drop {
		n.closeConnections()
	}
	n.toHub, n.toGateway = faults{}, faults{}
}

// closeConnections closes all connections. The caller must hold n.mu.
func (n *network) closeConnections() {
	for _, conn := range n.connections {
		conn.Close()
	}
	n.connections = nil
}

// forward connects a gateway with the hub until one of them closes the connection.
func (n *network) forward(gateway net.Conn) {
	hub, err := net.Dial("tcp", n.hub)
	if err != nil {
		gateway.Close()
		return
	}

	n.mu.Lock()
	n.connections = append(n.connections, gateway, hub)
	if n.listener == nil {
		n.closeConnections()
	}
	n.mu.Unlock()

	go n.copy(hub, gateway, &n.toHub)
	n.copy(gateway, hub, &n.toGateway)
}

// copy forwards the data of one direction and applies the direction's faults.
func (n *network) copy(to, from net.Conn, current *faults) {
	type chunk struct {
		data    []byte
		arrival time.Time
	}

	chunks := make(chan chunk, 1024)
	go func() {
		defer close(chunks)
		for {
			data := make([]byte, 512)
			size, err := from.Read(data)
			if err != nil {
				return
			}
			chunks <- chunk{data[:size], time.Now()}
		}
	}()

	defer func() {
		from.Close()
		to.Close()
		for range chunks { // receive the rest, so that the reader can end
		}
	}()

	for c := range chunks {
		n.mu.Lock()
		f := *current
		n.mu.Unlock()

		if f.drop {
			continue
		}
		if f.reset {
			from.(*net.TCPConn).SetLinger(0)
			to.(*net.TCPConn).SetLinger(0)
			return
		}

		time.Sleep(time.Until(c.arrival.Add(f.latency)))
		if f.bytesPerSecond > 0 {
			time.Sleep(time.Duration(len(c.data)) * time.Second / time.Duration(f.bytesPerSecond))
		}
		if _, err := to.Write(c.data); err != nil {
			return
		}
	}
}
