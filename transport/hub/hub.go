package hub

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/credentials"
	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/admission"
	"github.com/latchd/latchd/transport/hub/internal/api"
	"github.com/latchd/latchd/transport/hub/internal/audit"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/people"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// Options say where a hub stores its data, on which addresses it listens and which
// limits it applies.
type Options struct {
	DataDir   string
	MQTTAddr  string // such as ":8883"; port 0 selects any free port
	HTTPSAddr string // such as ":8443"; port 0 selects any free port
	Metrics   string // loopback address for Prometheus metrics; empty disables them
	Tier      string // IoT Hub tier whose limits apply, such as "S1"; empty disables limits
	Units     int    // number of units of the tier; 0 means 1
	Name      string // host name that clients use, and for which they sign tokens; empty means localhost

	Logger *zap.Logger      // nil disables logging
	Now    func() time.Time // nil means time.Now
	// Listen opens the listeners for devices, services and metrics. Nil means net.Listen.
	Listen func(network, address string) (net.Listener, error)
	// MaxDatabase is the largest size of the database in bytes, for tests of a full disk.
	// The hub refuses changes that do not fit. 0 means no limit.
	MaxDatabase int64

	// The hub calls Ready when it accepts connections. Ready may be nil.
	Ready func(Addresses)
}

// Addresses are the addresses on which a hub listens.
type Addresses struct {
	MQTT, HTTPS net.Addr
	Metrics     net.Addr // nil if the hub serves no metrics
}

// closeTimeout limits how long a stopping hub waits for requests in progress, and after
// that for method calls in progress.
const closeTimeout = 2 * time.Second

// Run runs a hub until ctx ends, and then returns nil. If the hub cannot start or
// continue, Run returns an error that says why and how to fix it.
func Run(ctx context.Context, opts Options) (err error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return err
	}
	limits, err := newThrottle(opts)
	if err != nil {
		return err
	}

	unlock, err := openDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	creds, err := credentials.Load(credentials.Options{Dir: opts.DataDir, Name: opts.Name, Now: opts.Now, Log: opts.Logger})
	if err != nil {
		return err
	}
	listening, err := listenAll(opts)
	if err != nil {
		return err
	}
	defer listening.close()

	db, err := store.Open(filepath.Join(opts.DataDir, database))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if opts.MaxDatabase > 0 {
		if err := db.LimitSize(ctx, opts.MaxDatabase); err != nil {
			return err
		}
	}

	events := feed.New(opts.Now)
	db.Watch(events.Change)
	persons, err := people.Open(ctx, people.Options{
		Store: db, Now: opts.Now, CA: creds.CA, Reserved: credentials.PolicyNames(),
		Hub: func() string { return listening.serviceHostName(opts.Name) },
	})
	if err != nil {
		return err
	}
	checker := access.Checker{HostName: opts.Name, Policies: creds.Policies, People: persons}
	counts := newMetrics(opts.Now())

	var devices *broker.Broker
	provision := provisioning.New(provisioning.Options{
		Store: db, Now: opts.Now, CA: creds.CA,
		Hub:        func(webSocket bool) string { return listening.deviceHostName(opts.Name, webSocket) },
		Disconnect: func(id string) { devices.Disconnect(id) },
	})
	admitted := admission.New(admission.Options{Logger: opts.Logger})
	devices, err = broker.New(
		&backend{access: checker, store: db, now: opts.Now, log: opts.Logger, metrics: counts, throttle: limits, feed: events},
		broker.Options{Logger: opts.Logger.Named("mqtt"), Now: opts.Now, Provisioner: provision, ConnectTimeout: admission.LoginTime})
	if err != nil {
		return fmt.Errorf("MQTT broker: %w", err)
	}
	defer func() { err = errors.Join(err, devices.Close()) }()

	engine, err := jobs.Start(ctx, jobs.Options{
		Store: db, Devices: devices, Throttle: limits, Watch: events.Job, Logger: opts.Logger.Named("jobs"), Now: opts.Now,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := withCloseTimeout(ctx, engine.Close); err != nil {
			opts.Logger.Warn("the jobs engine did not stop in time", zap.Error(err))
		}
	}()

	changes := audit.New(opts.Logger.Named("changes"))
	defer changes.Close()

	https := http.NewServeMux()
	https.Handle(broker.WebSocketPath, devices.WebSocket())
	https.Handle("/", counts.countRequests(api.New(api.Options{
		HubID: db.HubID(), Access: checker, Store: db, Broker: devices, Jobs: engine, Provisioning: provision, People: persons,
		Throttle: limits, Feed: events, Audit: changes, Logger: opts.Logger.Named("api"), Now: opts.Now,
	})))
	server := newServer(https, admitted.ConnState, opts.Logger)
	// Deferred calls run in reverse order: the hub first stops accepting requests, and
	// then stops the parts that serve the requests.
	defer func() {
		events.Close()
		if withCloseTimeout(ctx, server.Shutdown) != nil {
			server.Close()
		}
	}()

	servers := []func() error{
		func() error { return devices.Serve(tls.NewListener(admitted.Listen(listening.mqtt), tlsConfig(creds))) },
		func() error {
			return server.Serve(tls.NewListener(admitted.Listen(listening.https), tlsConfig(creds, "http/1.1")))
		},
	}
	if listening.metrics != nil {
		metricsServer := newServer(counts.handler(db), nil, opts.Logger)
		defer metricsServer.Close()
		servers = append(servers, func() error { return metricsServer.Serve(listening.metrics) })
	}

	failed := make(chan error, len(servers))
	for _, serve := range servers {
		go func() { failed <- serve() }()
	}
	if opts.Ready != nil {
		opts.Ready(listening.addresses())
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("a listener stopped unexpectedly: %w", err)
	}
}

// withCloseTimeout calls stop with a context that lasts for closeTimeout, even if ctx
// has already ended.
func withCloseTimeout(ctx context.Context, stop func(context.Context) error) error {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return stop(closing)
}

// tlsConfig returns the TLS settings of a listener. The handshake accepts every client
// certificate and proves only that the client has the private key. The hub verifies the
// certificate later, when the device logs in.
func tlsConfig(creds *credentials.Credentials, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: creds.GetCertificate,
		ClientAuth:     tls.RequestClientCert,
		NextProtos:     protocols,
	}
}

func (opts Options) withDefaults() Options {
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Listen == nil {
		opts.Listen = net.Listen
	}
	opts.Name = strings.ToLower(cmp.Or(opts.Name, "localhost"))
	return opts
}

func (opts Options) check() error {
	if err := credentials.CheckHostName(opts.Name); err != nil {
		return err
	}
	if opts.Metrics != "" {
		return checkLoopback(opts.Metrics)
	}
	return nil
}

// newThrottle returns a throttle with the limits of the IoT Hub tier in opts. If opts
// names no tier, it returns nil, which means no limits.
func newThrottle(opts Options) (*throttle.Throttle, error) {
	if opts.Tier == "" {
		if opts.Units != 0 {
			return nil, errors.New("--units needs a tier; set one with --tier")
		}
		return nil, nil
	}

	units := cmp.Or(opts.Units, 1)
	tier, err := iothub.ParseTier(opts.Tier)
	if err == nil {
		err = tier.CheckUnits(units)
	}
	if err != nil {
		return nil, fmt.Errorf("limits: %w; see --tier and --units", err)
	}
	return throttle.New(tier, units, opts.Now), nil
}
