package bench

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"math/big"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// The TLS records of one method call in the floor benchmark: the method and two answers
// to the device's requests one way, the method's answer and two requests the other way.
const (
	floorRecords = 3
	floorSize    = 256 // bytes
)

// BenchmarkFloor measures what a method call costs at least: a Go program exchanges the
// TLS records of the call with each of 2,000 connections and does nothing else. It
// reports the CPU time of both sides, and the server's memory for each connection.
func BenchmarkFloor(b *testing.B) {
	const devices = 2000
	for b.Loop() {
		server := startPeer(b, "server", "")
		addr := server.Expect(b, "listening ")
		empty := readMemory(b, server)
		client := startPeer(b, addr, strconv.Itoa(devices))
		client.Expect(b, "connected")
		server.Send(b, "call") // the first call lets buffers and stacks grow
		server.Expect(b, "called")
		b.ReportMetric(float64(readMemory(b, server).rss-empty.rss)/devices, "KiB/device")

		const calls = 10
		serverBefore, clientBefore := readCPUUse(b, server), readCPUUse(b, client)
		for range calls {
			server.Send(b, "call")
			server.Expect(b, "called")
		}
		b.ReportMetric(readCPUUse(b, server).since(serverBefore).cpu.Seconds()*1e6/calls/devices, "hub-µs/call")
		b.ReportMetric(readCPUUse(b, client).since(clientBefore).cpu.Seconds()*1e6/calls/devices, "device-µs/call")
		client.Kill()
		server.Kill()
	}
	b.ReportMetric(0, "ns/op") // hide ns/op; only the other metrics matter
}

// startPeer starts this test program as one side of BenchmarkFloor.
func startPeer(b *testing.B, peer, devices string) *harness.Process {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFloorPeer$")
	cmd.Env = append(os.Environ(), "LATCHD_BIN="+string(bin), "BENCH_FLOOR="+peer, "BENCH_FLOOR_DEVICES="+devices)
	return harness.Start(b, "floor "+peer, cmd)
}

// TestFloorPeer runs in the processes that BenchmarkFloor starts. As a normal test, it is
// skipped.
func TestFloorPeer(t *testing.T) {
	var err error
	switch peer := os.Getenv("BENCH_FLOOR"); peer {
	case "":
		t.Skip("only BenchmarkFloor runs this")
	case "server":
		err = serveFloor()
	default:
		err = dialFloor(peer, os.Getenv("BENCH_FLOOR_DEVICES"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// serveFloor accepts connections. For each line on standard input, it makes one call on
// every connection.
func serveFloor() error {
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr())

	var mu sync.Mutex
	var calls []chan struct{}
	var pending sync.WaitGroup
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			call := make(chan struct{}, 1)
			mu.Lock()
			calls = append(calls, call)
			mu.Unlock()
			go func() {
				_ = conn.(*tls.Conn).Handshake() // if it fails, so does the exchange
				for range call {
					_ = exchange(conn.Write, conn.Read)
					pending.Done()
				}
			}()
		}
	}()

	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		mu.Lock()
		pending.Add(len(calls))
		for _, call := range calls {
			call <- struct{}{}
		}
		mu.Unlock()
		pending.Wait()
		fmt.Println("called", len(calls))
	}
	return nil
}

// dialFloor opens connections and answers the calls on them until the server ends.
func dialFloor(addr, devices string) error {
	n, err := strconv.Atoi(devices)
	if err != nil {
		return err
	}

	var open sync.WaitGroup
	for range n {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) // the connection is local
		if err != nil {
			return err
		}
		open.Go(func() {
			for exchange(conn.Read, conn.Write) == nil {
			}
		})
	}
	fmt.Println("connected")
	open.Wait()
	return nil
}

// exchange exchanges the records of one call. Each of them fits into one Read.
func exchange(first, second func([]byte) (int, error)) error {
	record := make([]byte, floorSize)
	for range floorRecords {
		if _, err := first(record); err != nil {
			return err
		}
		if _, err := second(record); err != nil {
			return err
		}
	}
	return nil
}

// newCertificate returns a self-signed certificate with a key of the kind that latchhub
// uses.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
