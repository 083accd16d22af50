package hub

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/hub/api"
	"github.com/latchd/latchd/transport/hub/broker"
	"github.com/latchd/latchd/transport/hub/feed"
	"github.com/latchd/latchd/transport/hub/jobs"
	"github.com/latchd/latchd/transport/hub/provisioning"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// Options say where a hub keeps its data and where it listens.
type Options struct {
	DataDir   string
	MQTTAddr  string // such as ":8883"; port 0 is any free one
	HTTPSAddr string // such as ":8443"
	Metrics   string // a loopback address for Prometheus; "": none
	Tier      string // of IoT Hub whose limits hold, such as "S1"; "": none
	Units     int    // of that tier; 0 is one
	Name      string // the host name that clients use and sign; "" is localhost

	Logger *zap.Logger      // nil: none
	Now    func() time.Time // nil: time.Now
	// Ready is called once both fronts take connections.
	Ready func(Addresses)
}

// Addresses are where a hub listens.
type Addresses struct {
	MQTT, HTTPS net.Addr
	Metrics     net.Addr // nil: nowhere
}

// closeTime bounds how long a hub that is told to stop waits for what is under way.
const closeTime = 2 * time.Second

// Run runs a hub until ctx ends, and then returns nil. An error says why the hub
// could not start or go on, and what to do about it.
func Run(ctx context.Context, opts Options) (err error) {
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Name == "" {
		opts.Name = "localhost"
	}
	opts.Name = strings.ToLower(opts.Name)
	if err := checkName(opts.Name); err != nil {
		return err
	}
	if opts.Metrics != "" {
		if err := checkLoopback(opts.Metrics); err != nil {
			return err
		}
	}
	limits, err := limitsOf(opts)
	if err != nil {
		return err
	}
	unlock, err := openDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	defer unlock()

	certificate, policies, err := credentials(opts)
	if err != nil {
		return err
	}
	mqttListener, err := listen("MQTT", "--mqtt", opts.MQTTAddr)
	if err != nil {
		return err
	}
	defer mqttListener.Close()
	httpsListener, err := listen("HTTPS", "--https", opts.HTTPSAddr)
	if err != nil {
		return err
	}
	defer httpsListener.Close()

	at := Addresses{MQTT: mqttListener.Addr(), HTTPS: httpsListener.Addr()}
	var metricsListener net.Listener
	if opts.Metrics != "" {
		if metricsListener, err = listen("metrics", "--metrics", opts.Metrics); err != nil {
			return err
		}
		defer metricsListener.Close()
		at.Metrics = metricsListener.Addr()
	}

	db, err := store.Open(filepath.Join(opts.DataDir, "hub.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	events := feed.New(opts.Now)
	db.Watch(events.Change)
	tokens := access.Hub{HostName: opts.Name, Policies: policies}
	counts := &metrics{started: opts.Now(), requests: make(map[int]int64)}
	var devices *broker.Broker
	provision := provisioning.New(provisioning.Options{
		Store: db, Now: opts.Now,
		Hub: func(webSocket bool) string {
			if webSocket {
				return nameWithPort(opts.Name, httpsListener.Addr(), "443")
			}
			return nameWithPort(opts.Name, mqttListener.Addr(), "8883")
		},
		Disconnect: func(id string) { devices.Disconnect(id) },
	})
	devices, err = broker.New(
		&backend{access: tokens, store: db, now: opts.Now, log: opts.Logger, metrics: counts, throttle: limits, feed: events},
		broker.Options{Logger: opts.Logger.Named("mqtt"), Now: opts.Now, Provisioner: provision})
	if err != nil {
		return fmt.Errorf("device front: %w", err)
	}
	defer func() { err = errors.Join(err, devices.Close()) }()

	engine, err := jobs.Start(ctx, jobs.Options{Store: db, Devices: devices, Throttle: limits, Watch: events.Job, Logger: opts.Logger.Named("jobs"), Now: opts.Now})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if err := engine.Close(closing); err != nil {
			opts.Logger.Warn("jobs", zap.Error(err))
		}
	}()

	https := http.NewServeMux()
	https.Handle(broker.WebSocketPath, devices.WebSocket())
	https.Handle("/", counts.counted(api.New(api.Options{
		Access: tokens, Store: db, Broker: devices, Jobs: engine, Provisioning: provision,
		Throttle: limits, Feed: events, Logger: opts.Logger.Named("api"), Now: opts.Now,
	})))
	server := newServer(https, opts.Logger)
	// Deferred last, so that it ends first: no new work while the rest ends.
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		events.Close()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	}()

	// A device may show a certificate of any maker. Its handshake proves that it
	// holds the key; whether the device is known by it is decided at its login.
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate.get, ClientAuth: tls.RequestClientCert}
	ended := make(chan error, 3)
	go func() { ended <- devices.Serve(tls.NewListener(mqttListener, tlsConfig)) }()
	go func() {
		withHTTP2 := tlsConfig.Clone()
		withHTTP2.NextProtos = []string{"h2", "http/1.1"}
		ended <- server.Serve(tls.NewListener(httpsListener, withHTTP2))
	}()
	if metricsListener != nil {
		metricsServer := newServer(counts.handler(db), opts.Logger)
		defer metricsServer.Close()
		go func() { ended <- metricsServer.Serve(metricsListener) }()
	}
	if opts.Ready != nil {
		opts.Ready(at)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return fmt.Errorf("a front ended by itself: %w", err)
	}
}

// limitsOf returns what bounds the hub's clients, nil for nothing.
func limitsOf(opts Options) (*throttle.Throttle, error) {
	if opts.Tier == "" {
		if opts.Units != 0 {
			return nil, errors.New("units are of a tier, and none is given; set one with --tier")
		}
		return nil, nil
	}
	tier, err := iothub.ParseTier(opts.Tier)
	units := cmp.Or(opts.Units, 1)
	if err == nil {
		err = tier.CheckUnits(units)
	}
	if err != nil {
		return nil, fmt.Errorf("limits: %w; see --tier and --units", err)
	}
	return throttle.New(tier, units, opts.Now), nil
}

// nameWithPort is the hub's name as devices are told it: with the port of the
// listener, unless it is the one that they would use anyway.
func nameWithPort(name string, at net.Addr, usual string) string {
	_, port, err := net.SplitHostPort(at.String())
	if err != nil || port == usual {
		return name
	}
	return name + ":" + port
}

// credentials loads or makes what the data directory keeps of certificates and keys.
func credentials(opts Options) (*serverCertificate, []access.Policy, error) {
	ca, err := loadAuthority(opts.DataDir, opts.Name, opts.Now())
	if err != nil {
		return nil, nil, err
	}
	names := []string{opts.Name}
	machine, _ := os.Hostname()
	for _, name := range []string{"localhost", strings.ToLower(machine), "127.0.0.1", "::1"} {
		// A machine may have a name that no certificate can carry.
		if name != opts.Name && (name == "::1" || checkName(name) == nil) {
			names = append(names, name)
		}
	}
	certificate := &serverCertificate{dir: opts.DataDir, ca: ca, names: names, now: opts.Now, log: opts.Logger}
	if err := certificate.load(); err != nil {
		return nil, nil, err
	}
	key, err := loadOwner(opts.DataDir, opts.Name)
	if err != nil {
		return nil, nil, err
	}
	policies, err := loadPolicies(opts.DataDir, key)
	return certificate, policies, err
}

func newServer(handler http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 20 * time.Second,
		// Clients keep connections open and are cut off in the middle of a request
		// by a server that closes them after seconds.
		IdleTimeout:    10 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       zap.NewStdLog(log.Named("https").WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
	}
}

func listen(front, flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s front: %s is in use by another program; stop that one or choose another port with %s", front, addr, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s front: no permission to listen on %s; choose a port from 1024 on with %s", front, addr, flag)
	case err != nil:
		return nil, fmt.Errorf("%s front: %w; set another address with %s", front, err, flag)
	}
	return l, nil
}
