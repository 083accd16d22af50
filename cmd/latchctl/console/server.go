package console

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// DefaultRefresh is the default value of Options.Refresh.
const DefaultRefresh = 10 * time.Second

// Hub is the part of the service API that the console uses. [*rest.Client] implements
// Hub.
type Hub interface {
	watch.Hub
	Query(ctx context.Context, text string) iter.Seq2[json.RawMessage, error]
	Twin(ctx context.Context, id string) (iothub.Twin, error)
	Jobs(ctx context.Context, filter rest.JobFilter) iter.Seq2[iothub.Job, error]
	CancelJob(ctx context.Context, id string) (iothub.Job, error)
	Events(ctx context.Context, kinds ...string) iter.Seq2[rest.Event, error]
}

// Options configures a console.
type Options struct {
	Hub      Hub
	Fleet    *fleet.Fleet  // selects devices, creates jobs and tells the time
	Refresh  time.Duration // minimum time between two periodic reads of the doors
	Rollouts rollout.Store // folder of the rollouts' files; empty if no such folder is known
}

// Server is a console that listens on one address. Listen creates it.
type Server struct {
	opts     Options
	listener net.Listener
	guard    *guard
	feed     *feed
	budget   queryBudget
	refresh  chan int        // requests for a read of all doors; each value is the number of extra reads that follow
	changes  chan struct{}   // receives a value when the hub has reported a change
	ctx      context.Context // ends when Serve ends
	running  sync.WaitGroup
}

// Listen creates a console that listens on a loopback address, such as 127.0.0.1:8090.
// Port 0 chooses a free port.
func Listen(address string, opts Options) (*Server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errNotLoopback
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errNotLoopback
	}

	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() { // localhost can resolve to any address
		l.Close()
		return nil, errNotLoopback
	}

	return &Server{
		opts:     opts,
		listener: l,
		guard:    newGuard(l.Addr()),
		feed:     newFeed(),
		refresh:  make(chan int, 1),
		changes:  make(chan struct{}, 1),
	}, nil
}

var errNotLoopback = errors.New("not a loopback address with a port; want an address of this computer, such as 127.0.0.1:8090")

// IsNotLoopback reports whether Listen failed because its address is not a loopback
// address with a port.
func IsNotLoopback(err error) bool { return errors.Is(err, errNotLoopback) }

// URL returns the address that opens the console in a browser. The address works once.
func (s *Server) URL() string { return s.guard.url() }

// Serve answers requests until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	s.ctx = ctx

	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}

	s.running.Go(func() { s.feed.run(ctx) })
	s.running.Go(func() { s.pollDoors(ctx) })
	s.running.Go(func() { s.followEvents(ctx) })
	s.running.Go(func() {
		<-ctx.Done()
		server.Close()
	})

	err := server.Serve(s.listener)
	stop()
	s.running.Wait()

	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// files holds the page: HTML, style sheet and scripts.
//
//go:embed page
var files embed.FS

// handler returns the HTTP handler of the console.
func (s *Server) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}

	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /api/session", s.api(s.session))
	mux.HandleFunc("GET /api/stream", s.stream)
	mux.Handle("GET /api/select", s.api(s.listMatches))
	mux.Handle("GET /api/door", s.api(s.showDoor))
	mux.Handle("GET /api/jobs", s.api(s.listJobs))
	mux.Handle("GET /api/jobs/{id}", s.api(s.showJob))
	mux.Handle("GET /api/jobs/{id}/failed", s.api(s.listFailed))
	mux.Handle("GET /api/rollouts", s.api(s.listRollouts))
	mux.Handle("GET /api/rollouts/{id}", s.api(s.showRollout))
	mux.Handle("POST /api/jobs", s.api(s.createJobs))
	mux.Handle("POST /api/jobs/{id}/cancel", s.api(s.cancelJob))
	mux.Handle("POST /api/jobs/{id}/retry", s.api(s.retryJob))
	mux.Handle("POST /api/rollouts/{id}/resume", s.api(s.resumeRollout))
	mux.Handle("POST /api/refresh", s.api(s.refreshDoors))

	refused := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		text, _ := fs.ReadFile(page, "refused.html")
		w.Write(text)
	}

	return s.guard.protect(mux, refused, "/style.css", "/icon.svg")
}

// identifyTime limits how long the page waits for the hub's id at its start.
const identifyTime = 2 * time.Second

// session sends the page its settings, and the secret that each change must carry. The
// hub's id is empty if the hub does not answer in time.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), identifyTime)
	defer cancel()
	id, _ := s.opts.Fleet.Hub.HubID(ctx)

	return respond(w, struct {
		Hub          string       `json:"hub"` // what the user calls the hub
		HubID        iothub.HubID `json:"hubId,omitempty"`
		Change       string       `json:"change"`
		ConfirmAbove int          `json:"confirmAbove"`
	}{s.opts.Fleet.HubName, id, s.guard.change, s.opts.Fleet.ConfirmAbove})
}
