package broker

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

// BenchmarkInvoke calls a method on each of 1,000 connected devices and waits
// for all answers. The devices run in the same process.
func BenchmarkInvoke(b *testing.B) {
	const devices = 1000
	f := start(b, newFakeBackend(), Options{})
	for i := range devices {
		c := f.connect(b, "d"+strconv.Itoa(i))
		go answerAll(c)
	}

	var all sync.WaitGroup
	failed := make(chan error, devices)
	for b.Loop() {
		for i := range devices {
			all.Add(1)
			f.Invoke("d"+strconv.Itoa(i), iothub.MethodRequest{MethodName: "lockDoor"}, func(_ iothub.MethodResponse, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
				all.Done()
			})
		}
		all.Wait()
	}
	if len(failed) > 0 {
		b.Error(<-failed)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/devices, "µs/call")
}

// answerAll answers every method with status 200 until the connection ends.
func answerAll(c *rawClient) {
	for {
		pk, err := c.read()
		if err != nil {
			return
		}
		if _, rid, err := iothub.ParseMethodRequest(pk.TopicName); err == nil {
			if _, err := c.conn.Write(encode(c.t, publishPacket(0, iothub.MethodResponseTopic(200, rid), `{"position":"locked"}`))); err != nil {
				return
			}
		}
	}
}

// BenchmarkLinkMemory measures the hub's memory for each connected TLS device. The
// devices run in another process.
func BenchmarkLinkMemory(b *testing.B) {
	const devices = 2000
	f := start(b, newFakeBackend(), Options{})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.client.Certificates[0].Certificate[0]})
	for b.Loop() {
		before := inUse()
		cmd := exec.Command(os.Args[0], "-test.run=^TestAsDevices$")
		cmd.Env = append(os.Environ(), "BROKER_TEST_DEVICES="+strconv.Itoa(devices), "BROKER_TEST_ADDR="+f.addr, "BROKER_TEST_CA="+string(ca))
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "connected" {
			b.Fatalf("the devices' process printed %q, %v; want connected", line, err)
		}

		after := inUse()
		b.ReportMetric(float64(after-before)/devices/1024, "KiB/link")
		in.Close()
		_ = cmd.Wait()
		for range 2 * devices { // first all devices connect, then all disconnect
			f.nextConnection(b)
		}
	}
}

// inUse returns the size of the heap and the stacks after a garbage collection.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // the first collection only shrinks stacks
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestAsDevices runs in the process that BenchmarkLinkMemory starts to simulate devices.
// As a normal test, it is skipped.
func TestAsDevices(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("BROKER_TEST_DEVICES"))
	if err != nil {
		t.Skip("only BenchmarkLinkMemory runs this")
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(os.Getenv("BROKER_TEST_CA")))
	f := &front{addr: os.Getenv("BROKER_TEST_ADDR"), client: &tls.Config{RootCAs: pool}}
	var conns []net.Conn
	for i := range n {
		conns = append(conns, f.connect(t, "d"+strconv.Itoa(i)).conn)
	}
	fmt.Println("connected")
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.Close()
	}
}

// FuzzPackets sends arbitrary bytes before and after a login. Then another device must
// be able to connect, and must receive only the answers to its own requests.
func FuzzPackets(f *testing.F) {
	for _, pk := range []packets.Packet{
		connectPacket("d1"),
		subscribePacket(1, allFilters("d1")...),
		publishPacket(1, "devices/d1/messages/events/a=b", "x"),
		publishPacket(0, "$iothub/twin/GET/?$rid=1", " "),
		publishPacket(0, "$iothub/methods/res/200/?$rid=1", "{}"),
		{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}},
	} {
		f.Add(encode(f, pk), true)
		f.Add(encode(f, pk), false)
	}
	v5 := connectPacket("d1")
	v5.ProtocolVersion = 5
	f.Add(encode(f, v5), false)

	backend := newFakeBackend()
	backend.event = func(event) error { return nil }
	b, err := New(backend, Options{})
	if err != nil {
		f.Fatal(err)
	}
	l := &pipes{conns: make(chan net.Conn), end: make(chan struct{})}
	go b.Serve(l)
	f.Cleanup(func() { b.Close() })

	dial := func(t *testing.T) *rawClient {
		client, server := net.Pipe()
		l.conns <- server
		return newRawClient(t, client)
	}
	f.Fuzz(func(t *testing.T, text []byte, loggedIn bool) {
		for len(backend.connections) > 0 {
			<-backend.connections
		}

		c := dial(t)
		if loggedIn {
			c.login(connectPacket("d1"))
		}
		ended := make(chan bool)
		go func() { _, _ = io.Copy(io.Discard, c.conn); close(ended) }()
		_, _ = c.conn.Write(text)
		c.conn.Close()
		<-ended

		w := dial(t)
		if ack := w.login(connectPacket("witness")); ack.ReasonCode != 0 {
			t.Errorf("CONNACK has code %d", ack.ReasonCode)
		}
		w.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
		w.expect(packets.Pingresp)
		w.conn.Close()
	})
}
