package dial

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

// Addresses remembers which addresses of a server did not work, so that the next
// connection begins with another one. An address can accept TCP connections and still
// never answer TLS or MQTT. The zero value is ready to use, for one connection at a time.
type Addresses struct {
	mu    sync.Mutex
	count int            // number of attempts so far
	tried map[string]int // number of the last attempt, by address; without addresses that work
	last  string         // address of the last connection
}

// Works records that the last connection works: the server has answered over it.
func (a *Addresses) Works() {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tried, a.last)
}

// order sorts the addresses of a host: first those that were not tried in vain, then the
// others, the least recently tried first. It forgets all other addresses.
func (a *Addresses) order(addresses []string) {
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
func (a *Addresses) try(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.tried == nil {
		a.tried = make(map[string]int)
	}
	a.count++
	a.tried[address], a.last = a.count, address
}

// dialHost opens a TCP connection to an address of the host in hostPort. It tries the
// addresses in the order that s.Addresses gives them. It begins with the next one when an
// attempt has failed, or has not succeeded within the time stagger.
func (s Server) dialHost(ctx context.Context, network, hostPort string) (net.Conn, error) {
	addresses, err := s.resolve(ctx, hostPort)
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
	next, running := 0, 0
	begin := func() {
		address := addresses[next]
		next++
		running++
		go func() {
			conn, err := s.dialAddress(ctx, network, address)
			results <- result{conn, address, err}
		}()
	}

	var failed error
	for begin(); running > 0; {
		var tooSlow <-chan time.Time
		if next < len(addresses) {
			tooSlow = time.After(stagger)
		}
		select {
		case <-tooSlow:
			begin()
			continue
		case r := <-results:
			running--
			if s.Addresses != nil && ctx.Err() == nil {
				s.Addresses.try(r.address)
			}
			if r.err == nil {
				cancel()
				for ; running > 0; running-- {
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
func (s Server) resolve(ctx context.Context, hostPort string) ([]string, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	lookup := s.Lookup
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
	if s.Addresses != nil {
		s.Addresses.order(addresses)
	}
	return addresses, nil
}
