package admission

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener whose connections and errors come from a test. Its connections have
// no descriptors, so a test can use simulated time.
type pipes struct {
	accepted chan any // net.Conn or error
	end      chan struct{}
	once     sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case a := <-p.accepted:
		if err, failed := a.(error); failed {
			return nil, err
		}
		return a.(net.Conn), nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// hub is a limiter with one listener, which accepts connections in a goroutine as a
// server does.
type hub struct {
	limiter  *Limiter
	inner    *pipes
	listener net.Listener

	mu       sync.Mutex
	accepted []net.Conn
	errs     []error
}

func (h *hub) add(c net.Conn, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.errs = append(h.errs, err)
		return
	}
	h.accepted = append(h.accepted, c)
}

// conns returns the connections that the hub has accepted so far.
func (h *hub) conns() []net.Conn {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.accepted)
}

// inBubble runs a test with simulated time.
func inBubble(t *testing.T, maxConnections int, test func(t *testing.T, h *hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &hub{limiter: New(Options{MaxConnections: maxConnections}), inner: &pipes{accepted: make(chan any), end: make(chan struct{})}}
		h.listener = h.limiter.Listen(h.inner)

		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				c, err := h.listener.Accept()
				if err == net.ErrClosed {
					return
				}
				h.add(c, err)
			}
		}()
		test(t, h)

		h.listener.Close()
		<-ended
		for _, c := range h.conns() {
			c.Close()
		}
		synctest.Wait()
		if h.limiter.total != 0 || h.limiter.unauthorized.Len() != 0 {
			t.Errorf("%d connections and %d strangers are still counted", h.limiter.total, h.limiter.unauthorized.Len())
		}
	})
}

// dial opens a connection and returns a channel that gets the time at which the hub
// closes the connection.
func (h *hub) dial(t *testing.T) <-chan time.Time {
	client, server := net.Pipe()
	h.inner.accepted <- server
	t.Cleanup(func() { client.Close() })

	closed := make(chan time.Time, 1)
	go func() {
		client.Read(make([]byte, 1))
		closed <- time.Now()
	}()
	synctest.Wait()
	return closed
}

func wantOpen(t *testing.T, what string, closed <-chan time.Time) {
	t.Helper()
	synctest.Wait()
	if len(closed) != 0 {
		t.Errorf("%s was closed", what)
	}
}

func wantClosed(t *testing.T, what string, closed <-chan time.Time) {
	t.Helper()
	synctest.Wait()
	if len(closed) == 0 {
		t.Errorf("%s is open", what)
	}
}

func TestLoginTime(t *testing.T) {
	inBubble(t, 10, func(t *testing.T, h *hub) {
		began := time.Now()
		device, stranger := h.dial(t), h.dial(t)
		Authorize(h.conns()[0])

		if took := (<-stranger).Sub(began); took != LoginTime {
			t.Errorf("the stranger's connection was closed after %v, want %v", took, LoginTime)
		}
		time.Sleep(time.Hour)
		wantOpen(t, "the device's connection", device)
	})
}

func TestOldestStrangerMakesRoom(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, h *hub) {
		device := h.dial(t)
		Authorize(h.conns()[0])
		first, second := h.dial(t), h.dial(t)
		time.Sleep(MinTime)

		third := h.dial(t)
		wantClosed(t, "the first stranger's connection", first)
		wantOpen(t, "the second stranger's connection", second)
		wantOpen(t, "the third stranger's connection", third)
		wantOpen(t, "the device's connection", device)
	})
}

// A new connection waits until the oldest stranger's connection has been open for
// MinTime, or until a place becomes free.
func TestConnectionWaitsForPlace(t *testing.T) {
	for _, test := range []struct {
		name string
		free func(first *conn)
		want time.Duration
	}{
		{"oldest stranger is closed", func(*conn) {}, MinTime},
		{"oldest stranger leaves", func(first *conn) { first.Close() }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, 1, func(t *testing.T, h *hub) {
				began := time.Now()
				first := h.dial(t)
				next := h.dial(t)
				if len(h.conns()) != 1 {
					t.Fatalf("%d connections are open, want 1", len(h.conns()))
				}

				test.free(h.conns()[0].(*conn))
				if took := (<-first).Sub(began); took != test.want {
					t.Errorf("the place was free after %v, want %v", took, test.want)
				}
				wantOpen(t, "the next connection", next)
				if len(h.conns()) != 2 {
					t.Errorf("%d connections were accepted, want 2", len(h.conns()))
				}
			})
		})
	}
}

func TestDevicesAreNeverClosed(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, h *hub) {
		first, second := h.dial(t), h.dial(t)
		for _, c := range h.conns() {
			Authorize(tls.Client(tls.Client(c, nil), nil)) // wrapped
		}
		time.Sleep(LoginTime)

		wantClosed(t, "the connection for which there is no place", h.dial(t))
		h.inner.accepted <- syscall.EMFILE
		wantOpen(t, "the first device's connection", first)
		wantOpen(t, "the second device's connection", second)
	})
}

func TestNoDescriptorLeft(t *testing.T) {
	inBubble(t, 10, func(t *testing.T, h *hub) {
		first, second := h.dial(t), h.dial(t)
		h.inner.accepted <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		wantClosed(t, "the first stranger's connection", first)
		wantOpen(t, "the second stranger's connection", second)
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.errs) != 1 {
			t.Errorf("Accept returned %v, want the error once", h.errs)
		}
	})
}

func TestMaxUnauthorized(t *testing.T) {
	inBubble(t, 1<<20, func(t *testing.T, h *hub) {
		first := h.dial(t)
		for range MaxUnauthorized - 1 {
			h.dial(t)
		}
		wantOpen(t, "the first stranger's connection", first)
		time.Sleep(MinTime)
		h.dial(t)
		wantClosed(t, "the first stranger's connection", first)
	})
}

// If many clients come at once, the hub serves some of them first. A client that logs in
// makes room for the next one at once; one that does not, after MinTime.
func TestManyAtOnce(t *testing.T) {
	inBubble(t, 1<<20, func(t *testing.T, h *hub) {
		began := time.Now()
		for range MaxNew {
			h.dial(t)
		}
		accepted := func(want int, after time.Duration) {
			t.Helper()
			if n := len(h.conns()); n != want || time.Since(began) != after {
				t.Errorf("%d connections are accepted after %v, want %d after %v", n, time.Since(began), want, after)
			}
		}

		second := h.dial(t)
		accepted(MaxNew, 0)
		Authorize(h.conns()[0])
		accepted(MaxNew+1, 0)

		third := h.dial(t)
		accepted(MaxNew+1, 0)
		time.Sleep(MinTime)
		accepted(MaxNew+2, MinTime)
		wantOpen(t, "the second connection", second)
		wantOpen(t, "the third connection", third)
	})
}

func TestCloseEndsWait(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, h *hub) {
		h.dial(t)
		waiting := h.dial(t)
		h.listener.Close()
		wantClosed(t, "the waiting connection", waiting)
	})
}

func TestAuthorizeRequest(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, h *hub) {
		closed := h.dial(t)
		request, err := http.NewRequestWithContext(ConnContext(t.Context(), tls.Server(h.conns()[0], nil)), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		AuthorizeRequest(request, "service")
		AuthorizeRequest(&http.Request{}, "service") // on a connection that no limiter knows
		Authorize(nil)
		time.Sleep(time.Hour)
		wantOpen(t, "the client's connection", closed)
	})
}

func TestMaxConnections(t *testing.T) {
	t.Parallel()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if got := MaxConnections(); got < 1 || uint64(got) >= limit.Cur {
		t.Errorf("MaxConnections() = %d with %d descriptors", got, limit.Cur)
	}
}

// At most a quarter of the connections may be idle. The client that has most of them loses
// the one that was idle longest.
func TestIdleConnections(t *testing.T) {
	inBubble(t, 40, func(t *testing.T, h *hub) {
		dial := func(client string) <-chan time.Time {
			closed := h.dial(t)
			server := h.conns()[len(h.conns())-1]
			r := &http.Request{}
			AuthorizeRequest(r.WithContext(ConnContext(t.Context(), server)), client)
			h.limiter.ConnState(server, http.StateIdle)
			return closed
		}

		var many, few []<-chan time.Time
		for range 10 {
			many = append(many, dial("many"))
		}
		h.limiter.ConnState(h.conns()[0], http.StateActive) // has a request
		for range 3 {
			few = append(few, dial("few"))
		}
		stranger := h.dial(t)
		h.limiter.ConnState(h.conns()[13], http.StateIdle)

		for i, closed := range many {
			if i == 1 || i == 2 {
				wantClosed(t, "one of the longest idle connections", closed)
			} else {
				wantOpen(t, "a connection that was idle for a shorter time or has a request", closed)
			}
		}
		for _, closed := range few {
			wantOpen(t, "a connection of another client", closed)
		}
		wantOpen(t, "a stranger, which has its own limits", stranger)

		// The connection with the request becomes idle again, as the last one.
		h.limiter.ConnState(h.conns()[0], http.StateIdle)
		wantOpen(t, "a connection that has just become idle", many[0])
		wantClosed(t, "the next connection", many[3])

		for _, c := range h.conns() {
			c.Close()
		}
		if h.limiter.idleCount != 0 || len(h.limiter.idle) != 0 {
			t.Errorf("%d closed connections are still idle", h.limiter.idleCount)
		}
	})
}
