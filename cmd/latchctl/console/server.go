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

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// DefaultRefresh is how often the doors are read at the most, if that is not
// said otherwise.
const DefaultRefresh = 10 * time.Second

// Hub is what the console needs of the service API. [*rest.Client] has it.
type Hub interface {
	watch.Hub
	Query(ctx context.Context, text string) iter.Seq2[json.RawMessage, error]
	Twin(ctx context.Context, id string) (iothub.Twin, error)
	Jobs(ctx context.Context, filter rest.JobFilter) iter.Seq2[iothub.Job, error]
	Events(ctx context.Context, kinds ...string) iter.Seq2[rest.Event, error]
}

// Options are what a console gets from the world around it, and from the
// commands that do the same on a terminal.
type Options struct {
	Hub          Hub
	HubName      string        // for the page's head
	ConfirmAbove int           // unlocking more devices than this takes more than one press
	Refresh      time.Duration // between two readings of the doors, at least
	Rollouts     rollout.Store // where the rollouts' files are; empty: nowhere
	Now          func() time.Time
	Sleep        func(context.Context, time.Duration) error

	// CheckCondition says what is wrong with a condition before a hub sees it.
	CheckCondition func(where string) error
	// Select returns the ids of the devices that a condition selects.
	Select func(ctx context.Context, where string) ([]string, error)
	// NewID makes up a job's id that begins with name.
	NewID func(name string) string
	// CreateJob sends a new job to the hub.
	CreateJob func(ctx context.Context, job iothub.Job) (iothub.Job, error)
	// Report is what became of a job's devices, as -o json has it.
	Report func(watch.Report) any
}

// Server is a console on one address.
type Server struct {
	opts     Options
	listener net.Listener
	guard    *guard
	board    *board
	pace     pace
	refresh  chan int        // how often again soon after
	told     chan struct{}   // the hub has told of a change
	ctx      context.Context // ends with Serve
	running  sync.WaitGroup
}

// Listen opens a console at a loopback address, such as 127.0.0.1:8090.
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
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() { // localhost may name anything
		l.Close()
		return nil, errNotLoopback
	}
	return &Server{opts: opts, listener: l, guard: newGuard(l.Addr()), board: newBoard(),
		refresh: make(chan int, 1), told: make(chan struct{}, 1)}, nil
}

var errNotLoopback = errors.New("a console listens on this computer only: want a loopback address with a port, such as 127.0.0.1:8090")

// IsAddress reports whether Listen refused the address as such.
func IsAddress(err error) bool { return errors.Is(err, errNotLoopback) }

// URL is the address that opens the console in a browser, once.
func (s *Server) URL() string { return s.guard.url() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	s.ctx = ctx
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	s.running.Go(func() { s.board.run(ctx) })
	s.running.Go(func() { s.read(ctx) })
	s.running.Go(func() { s.listen(ctx) })
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

//go:embed page
var files embed.FS

// handler is all that the console answers.
func (s *Server) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /api/session", s.api(s.session))
	mux.HandleFunc("GET /api/stream", s.stream)
	mux.Handle("GET /api/select", s.api(s.selects))
	mux.Handle("GET /api/door", s.api(s.showDoor))
	mux.Handle("GET /api/jobs", s.api(s.listJobs))
	mux.Handle("GET /api/jobs/{id}", s.api(s.showJob))
	mux.Handle("GET /api/rollouts", s.api(s.listRollouts))
	mux.Handle("GET /api/rollouts/{id}", s.api(s.showRollout))
	mux.Handle("POST /api/jobs", s.api(s.createJob))
	mux.Handle("POST /api/refresh", s.api(s.readAgain))
	refused := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		text, _ := fs.ReadFile(page, "refused.html")
		w.Write(text)
	}
	return s.guard.protect(mux, refused, "/style.css", "/icon.svg")
}

// session tells the page what it has to know, and the secret that its changes
// carry.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	return answer(w, struct {
		Hub          string `json:"hub"`
		Change       string `json:"change"`
		ConfirmAbove int    `json:"confirmAbove"`
		MaxTicks     int    `json:"maxTicks"`
	}{s.opts.HubName, s.guard.change, s.opts.ConfirmAbove, maxTicks})
}
