package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/cmd/latchd/clock"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// fitting describes the door of a gateway and how its agent connects.
type fitting struct {
	mode       actuator.Mode
	door       bool // there is a door sensor
	exit       bool // there is an exit input that unlocks
	autoRelock int64
	heldOpen   int64
	travel     time.Duration
	webSocket  bool
	front      bool // the agent connects through the front
	tokenLife  time.Duration
}

func randomFitting(random *rand.Rand) fitting {
	return fitting{
		mode:       []actuator.Mode{actuator.Hold, actuator.Hold, actuator.Pulse, actuator.Dual}[random.IntN(4)],
		door:       random.IntN(4) > 0,
		exit:       random.IntN(3) > 0,
		autoRelock: []int64{0, 10, 60}[random.IntN(3)],
		heldOpen:   []int64{0, 30}[random.IntN(2)],
		travel:     []time.Duration{0, 100 * time.Millisecond, time.Second}[random.IntN(3)],
		webSocket:  random.IntN(4) == 0,
		front:      random.IntN(2) == 0,
		tokenLife:  []time.Duration{5 * time.Minute, 20 * time.Minute, time.Hour}[random.IntN(3)],
	}
}

// gateway is one door with the computer that runs its agent. The door, the disk and the
// network path survive the agent's processes.
type gateway struct {
	world    *world
	device   iothub.Device
	fitting  fitting
	booted   time.Time
	boots    int
	clockOff atomic.Int64 // by which the wall clock is wrong, in nanoseconds

	misconduct atomic.Pointer[misconduct] // of the front towards this gateway
	busy       chan struct{}              // held while a process ends and the next one starts
	crashes    int
	rolls      int // new keys with which the agent was started

	driver *mock.Driver
	disk   *disk
	path   *path
	random *rand.Rand // only for the goroutine that starts and ends processes

	mu      sync.Mutex
	process *process // nil while the agent is down
	record  record
}

func (g *gateway) id() string { return g.device.DeviceID }

func (g *gateway) now() time.Time { return time.Now().Add(time.Duration(g.clockOff.Load())) }

func (g *gateway) fail(rule int, format string, args ...any) {
	g.world.fail(rule, g.id()+": "+format, args...)
}

func newGateway(w *world, device iothub.Device, seed uint64) *gateway {
	g := &gateway{
		busy:  make(chan struct{}, 1),
		world: w, device: device, disk: newDisk(), path: w.network.newPath(device.DeviceID, seed),
		booted: time.Now().Add(-time.Hour), random: rand.New(rand.NewPCG(seed, 2)),
	}
	g.fitting = randomFitting(g.random)
	g.fitting.front = g.fitting.front && !g.fitting.webSocket
	g.record.init()
	g.driver = mock.New(mock.Config{Travel: g.fitting.travel, Door: g.fitting.door, Exit: g.fitting.exit}, actuator.Locked)
	return g
}

// process is one life of an agent's process. A process dies when the plan ends it, at the
// next or at a later seam call. A dead process has no effect any more, although its
// goroutines need some time to end.
type process struct {
	gateway *gateway
	cancel  context.CancelFunc
	ended   chan struct{} // closed when all its goroutines have ended
	died    chan struct{} // closed when it dies

	mu    sync.Mutex
	dead  bool
	fuse  int // seam calls until it dies; 0 if it lives
	agent *agent.Agent
	lock  *actuator.Lock
	store *agent.Store
	log   *events.Log
}

// passSeam reports whether the process may do what it is about to do. The process may die
// here.
func (p *process) passSeam() bool {
	p.mu.Lock()
	dies := !p.dead && p.fuse == 1
	if p.fuse > 0 {
		p.fuse--
	}
	dead := p.dead
	p.mu.Unlock()
	if dies {
		p.die()
	}
	return !dead && !dies
}

func (p *process) isAlive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead
}

// die ends all effects of the process.
func (p *process) die() {
	p.mu.Lock()
	already := p.dead
	p.dead = true
	p.mu.Unlock()
	if already {
		return
	}
	p.gateway.path.cut()
	close(p.died)
}

// dieAfter lets the process die at its n-th seam call from now on.
func (p *process) dieAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fuse = n
}

// start starts the agent, as latchd does. cold means after a power cut.
func (g *gateway) start(cold bool) {
	if cold {
		g.booted = time.Now()
		g.boots++
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{gateway: g, cancel: cancel, ended: make(chan struct{}), died: make(chan struct{})}
	log := g.world.log.Named(g.id())
	files := mounted{g.disk, p}

	store := agent.OpenStoreOn(files, "state", log)
	queue := events.OpenOn(files, "state", g.world.limits, log)
	past := store.Get().Lock
	g.checkState(store.Get())

	bootClock := actuator.Clock{
		Now: g.now, BootID: fmt.Sprint("boot-", g.boots),
		Uptime: func() time.Duration { return time.Since(g.booted) },
	}
	driver := &line{Driver: g.driver, process: p, kept: !cold && g.fitting.mode == actuator.Hold && past.Level != "", level: past.Level}
	g.world.bugs.breakProcess(g.world, driver)
	lock := actuator.New(actuator.Config{
		Mode: g.fitting.mode, AtPowerOn: map[bool]actuator.Position{true: "", false: actuator.Locked}[g.fitting.mode != actuator.Hold],
		ConfirmTimeout: 4 * time.Second, MinInterval: time.Second,
		Pulse: 3 * time.Second, MaxEnergised: 30 * time.Second, Settle: time.Second, ExitTime: 5 * time.Second,
	}, driver, tappedSaver{agent.Recorder{Store: store, Events: queue}, p}, past, bootClock, log)
	a := agent.New(agent.Config{
		Driver: "mock", Mode: g.fitting.mode, MaxEnergised: 30 * time.Second, Egress: true,
		Defaults: agent.Settings{AutoRelockSeconds: g.fitting.autoRelock, HeldOpenSeconds: g.fitting.heldOpen},
		Version:  "sim", BootID: bootClock.BootID, Events: queue, Now: g.now, Rand: g.jitter(), Log: log,
		System: agent.System{OS: "simulation", BootedAt: g.booted},
	}, &tappedLock{lock, p}, store)
	p.agent, p.lock, p.store, p.log = a, lock, store, queue

	g.mu.Lock()
	g.process = p
	g.mu.Unlock()

	wall := clock.Open("", clock.Source{
		Now: g.now, Uptime: bootClock.Uptime,
		Set:      func() bool { return true },
		Hardware: func() (time.Time, bool) { return time.Time{}, false },
	}, log)
	var tasks sync.WaitGroup
	lockCtx, stopLock := context.WithCancel(context.Background())
	tasks.Go(func() { lock.Run(lockCtx) })
	tasks.Go(func() { a.Run(lockCtx) })
	go func() {
		defer close(p.ended)
		defer func() { queue.Close(); store.Close() }()
		defer tasks.Wait()
		defer stopLock()
		select {
		case <-lock.Alive():
		case <-ctx.Done():
			return
		}
		if err := mqtt.Run(ctx, g.options(p, wall, log), func(ctx context.Context, link *mqtt.Link) error {
			wall.Confirm()
			a.Serve(ctx, g.world.bugs.breakLink(&tappedLink{link, p}))
			return nil
		}); err != nil {
			g.fail(0, "mqtt.Run: %v", err)
		}
	}()
}

// jitter returns a source of random numbers for a process.
func (g *gateway) jitter() func() float64 { return locked(rand.New(rand.NewPCG(g.random.Uint64(), 3))) }

func (g *gateway) options(p *process, wall *clock.Clock, log *zap.Logger) mqtt.Options {
	endpoint := mqttAddress
	switch {
	case g.fitting.webSocket:
		endpoint = httpsAddress
	case g.fitting.front:
		endpoint = frontMQTTAddress
	}
	return mqtt.Options{
		Device: g.device, Endpoint: endpoint, RootCAs: trust.Pool(g.world.roots()), WebSocket: g.fitting.webSocket,
		TokenLife: g.fitting.tokenLife, Logger: log, Now: wall.Now, Rand: g.jitter(), ModelID: agent.ModelID,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if !p.passSeam() {
				return nil, errDead
			}
			c, err := g.path.dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &processConn{c, p}, nil
		},
	}
}

// processConn is a connection of a process. Its writes are seam calls.
type processConn struct {
	net.Conn
	process *process
}

// Write implements net.Conn.
func (c *processConn) Write(p []byte) (int, error) {
	if !c.process.passSeam() {
		return 0, errDead
	}
	return c.Conn.Write(p)
}

// stop ends the agent and waits until its goroutines have ended. An orderly stop lets the
// agent say goodbye; otherwise it is killed.
func (g *gateway) stop(orderly bool) {
	p := g.running()
	if p == nil {
		return
	}
	if !orderly {
		p.die()
	}
	p.cancel()
	<-p.ended
	g.mu.Lock()
	g.process = nil
	g.mu.Unlock()
}

func (g *gateway) running() *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.process
}

// resume starts the agent again. Its sensors report their present state first.
func (g *gateway) resume(cold bool) {
	for _, input := range mock.Inputs {
		g.driver.SetReadable(input, false)
	}
	for drained := false; !drained; {
		select {
		case <-g.driver.Bolt():
		case <-g.driver.Door():
		case <-g.driver.Exit():
		default:
			drained = true
		}
	}
	for _, input := range mock.Inputs {
		g.driver.SetReadable(input, true)
	}
	g.start(cold)
}

// line is the driver of one process. In Hold mode systemd keeps the line when the process
// ends.
type line struct {
	*mock.Driver
	process *process
	kept    bool
	level   actuator.Position
}

// Open implements actuator.Driver.
func (l *line) Open(level actuator.Position) (actuator.Position, bool, error) {
	if !l.process.passSeam() {
		return "", false, errDead
	}
	if l.kept {
		return l.level, true, nil
	}
	if level != "" {
		l.process.gateway.record.drove(l.process, level, true)
	}
	return l.Driver.Open(level)
}

// Drive implements actuator.Driver.
func (l *line) Drive(target actuator.Position) error {
	if !l.process.passSeam() {
		return errDead
	}
	if bolt, _ := l.Driver.State(); bolt != target { // somebody may have turned the key
		l.process.gateway.record.drove(l.process, target, false)
	}
	return l.Driver.Drive(target)
}

// Idle implements actuator.Driver.
func (l *line) Idle() error {
	if !l.process.passSeam() {
		return errDead
	}
	return l.Driver.Idle()
}

// Close implements actuator.Driver. The bolt continues its motion.
func (l *line) Close() error { return nil }

// tappedLock tells the judge of each command that a process executes.
type tappedLock struct {
	agent.Lock
	process *process
}

// Do implements agent.Lock.
func (l *tappedLock) Do(ctx context.Context, c actuator.Command) (actuator.Result, error) {
	r := &l.process.gateway.record
	if l.process.isAlive() {
		r.began(l.process.gateway, c)
	}
	result, err := l.Lock.Do(ctx, c)
	if l.process.isAlive() {
		r.ended(l.process.gateway, c, result, err)
	}
	return result, err
}

// tappedLink tells the judge of each event that the hub has acknowledged.
type tappedLink struct {
	agent.Link
	process *process
}

// Send implements agent.Link.
func (l *tappedLink) Send(ctx context.Context, m iothub.Message) error {
	err := l.Link.Send(ctx, m)
	if err == nil {
		l.process.gateway.record.arrived(l.process.gateway, m)
	}
	return err
}

// Report implements agent.Link.
func (l *tappedLink) Report(ctx context.Context, patch iothub.Object) (int64, error) {
	version, err := l.Link.Report(ctx, patch)
	if err == nil {
		l.process.gateway.record.reported(version)
	}
	return version, err
}

// refusalOf returns the lock's refusal in err, or nil.
func refusalOf(err error) *actuator.Refusal {
	refusal, _ := errors.AsType[*actuator.Refusal](err)
	return refusal
}
