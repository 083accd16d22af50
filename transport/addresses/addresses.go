// Package addresses connects to a host that has several addresses, some of which may not
// work. Use one [Memory] for all connections to the host, and call [Connect].
//
// Guarantees:
//   - Connect begins with an address that has not failed. If this address does not work at
//     once, Connect also tries the next one.
//   - A connection that the caller does not confirm to work makes the next connection begin
//     with another address. So an address that accepts TCP connections and never answers
//     does not block the program.
package addresses

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxAddresses limits how many addresses of a name are used.
	maxAddresses = 16
	// stagger is how long a connection attempt runs alone before the next address is
	// tried as well (RFC 8305, section 5).
	stagger = 250 * time.Millisecond
)

// Lookup returns the addresses of a host.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// Dial opens a connection to the IP:PORT in address.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// Memory remembers which addresses of a host did not work. The zero value is ready to use.
// Any number of goroutines may use it.
type Memory struct {
	mu    sync.Mutex
	count int            // number of attempts so far
	tried map[string]int // number of the last attempt, by address; without addresses that work
	last  string         // address of the last connection
}

// Works records that the last connection works: the server has answered over it. Use it if
// the program has only one connection at a time.
func (a *Memory) Works() {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tried, a.last)
}

// WorksAt records that the connection to an IP:PORT works.
func (a *Memory) WorksAt(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tried, address)
}

// order sorts the addresses of a host: first those that were not tried in vain, then the
// others, the least recently tried first. It forgets all other addresses.
func (a *Memory) order(addresses []string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	for address := range a.tried {
		if !slices.Contains(addresses, address) {
			delete(a.tried, address)
		}
	}
	slices.SortStableFunc(addresses, func(x, y string) int { return cmp.Compare(a.tried[x], a.tried[y]) })
}

// try records an attempt to connect to the address, which may be the last connection.
func (a *Memory) try(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.tried == nil {
		a.tried = make(map[string]int)
	}
	a.count++
	a.tried[address], a.last = a.count, address
}

func (a *Memory) tryAll(addresses map[string]bool) {
	for address := range addresses {
		a.try(address)
	}
}

// Connect opens a connection to an address of the host in hostPort. It tries the addresses
// in the order that memory gives them. It begins with the next one when an attempt has
// failed, or has not succeeded within the time stagger. A nil memory means the order of
// lookup, and a nil lookup the system's resolver.
func Connect(ctx context.Context, hostPort string, memory *Memory, lookup Lookup, dial Dial) (net.Conn, error) {
	addresses, err := resolve(ctx, hostPort, memory, lookup)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	type result struct {
		conn    net.Conn
		address string
		err     error
	}
	results := make(chan result, len(addresses))
	next := 0
	running := make(map[string]bool) // addresses of the attempts in progress
	begin := func() {
		address := addresses[next]
		next++
		running[address] = true
		go func() {
			conn, err := dial(ctx, address)
			results <- result{conn, address, err}
		}()
	}

	var failed error
	for begin(); len(running) > 0; {
		var tooSlow <-chan time.Time
		if next < len(addresses) {
			tooSlow = time.After(stagger)
		}
		select {
		case <-tooSlow:
			begin()
			continue
		case r := <-results:
			delete(running, r.address)
			if memory != nil && ctx.Err() == nil {
				if r.err == nil {
					memory.tryAll(running) // they are slower
				}
				memory.try(r.address)
			}
			if r.err == nil {
				cancel()
				for range running {
					if loser := <-results; loser.err == nil {
						loser.conn.Close()
					}
				}
				return r.conn, nil
			}
			if failed == nil {
				failed = r.err
			}
			if next < len(addresses) && ctx.Err() == nil {
				begin()
			}
		}
	}
	return nil, failed
}

// resolve returns the addresses of the host in hostPort, each with the port.
func resolve(ctx context.Context, hostPort string, memory *Memory, lookup Lookup) ([]string, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	found, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}

	var addresses []string
	for _, ip := range found[:min(len(found), maxAddresses)] {
		if address := net.JoinHostPort(ip.Unmap().String(), port); !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	if len(addresses) == 0 {
		return nil, errors.New("its name has no address")
	}
	if memory != nil {
		memory.order(addresses)
	}
	return addresses, nil
}
