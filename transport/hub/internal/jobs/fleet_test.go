package jobs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// fleet simulates the broker and its devices. A test sets how the devices answer calls.
type fleet struct {
	mu          sync.Mutex
	check       func(deviceID string)      // called before each answer; may be nil
	offline     map[string]bool            // devices that are not connected
	silent      map[string]bool            // devices that answer only when release is called
	vanishing   map[string]bool            // devices that seem online but disconnect when they are called
	status      map[string]int             // status of a device's answers; 200 if missing
	calls       map[string]int             // number of calls to each device
	payloads    map[string]string          // payload of the latest call to each device
	held        map[string]func()          // answers that silent devices hold back
	desired     map[string][]iothub.Object // desired patches that each device was sent
	ready       map[string][]*func()       // functions to call when a device connects; nil after they have been cancelled
	inFlight    int                        // number of calls that are not answered yet
	maxInFlight int
}

func newFleet() *fleet {
	return &fleet{
		offline: map[string]bool{}, silent: map[string]bool{}, vanishing: map[string]bool{}, status: map[string]int{}, calls: map[string]int{},
		payloads: map[string]string{}, held: map[string]func(){}, desired: map[string][]iothub.Object{},
		ready: map[string][]*func(){},
	}
}

func (f *fleet) Invoke(id string, m iothub.MethodRequest, done func(iothub.MethodResponse, error)) {
	f.mu.Lock()
	if f.vanishing[id] {
		delete(f.vanishing, id)
		f.offline[id] = true
	}
	if f.offline[id] {
		f.mu.Unlock()
		go done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeDeviceNotOnline, "device %s is not connected", id))
		return
	}
	f.calls[id]++
	f.payloads[id] = string(m.Payload)
	f.inFlight++
	f.maxInFlight = max(f.maxInFlight, f.inFlight)

	response := iothub.MethodResponse{Status: 200, Payload: json.RawMessage(`{"method":"` + m.MethodName + `"}`)}
	if s := f.status[id]; s != 0 {
		response.Status = s
	}
	answer := func() {
		f.mu.Lock()
		f.inFlight--
		f.mu.Unlock()
		done(response, nil)
	}

	check, silent := f.check, f.silent[id]
	if silent {
		f.held[id] = answer
	}
	f.mu.Unlock()

	if check != nil {
		check(id)
	}
	if !silent {
		go answer()
	}
}

func (f *fleet) Online(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.offline[id]
}

func (f *fleet) OnReady(id string, ready func()) (cancel func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready[id] = append(f.ready[id], &ready)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ready[id] = slices.DeleteFunc(f.ready[id], func(r *func()) bool { return r == &ready })
	}
}

// connect connects a device that was offline.
func (f *fleet) connect(id string) {
	f.mu.Lock()
	delete(f.offline, id)
	waiting := f.ready[id]
	delete(f.ready, id)
	f.mu.Unlock()

	for _, ready := range waiting {
		(*ready)()
	}
}

func (f *fleet) SendDesired(id string, desired iothub.Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.desired[id] = append(f.desired[id], desired)
}

// callsOf returns how often a device was called.
func (f *fleet) callsOf(id string) int { return f.all()[id] }

// all returns how often each device was called.
func (f *fleet) all() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.calls)
}

// release sends the answer that a silent device has held back.
func (f *fleet) release(id string) {
	f.mu.Lock()
	answer := f.held[id]
	f.mu.Unlock()
	answer()
}

// hub is a jobs engine with its own store. A test can stop it and start it again.
type hub struct {
	*jobs.Engine
	t      *testing.T
	store  *store.Store
	fleet  *fleet
	file   string
	window int

	maxEnded int64
	throttle *throttle.Throttle
}

func newHub(t *testing.T, devices ...string) *hub {
	t.Helper()
	return newHubWithWindow(t, 0, devices...)
}

func newHubWithWindow(t *testing.T, window int, devices ...string) *hub {
	t.Helper()
	h := &hub{t: t, fleet: newFleet(), file: filepath.Join(t.TempDir(), "hub.db"), window: window}
	h.open()
	for _, id := range devices {
		if _, err := h.store.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: id}); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	return h
}

func (h *hub) open() {
	h.t.Helper()
	var err error
	if h.store, err = store.Open(h.file); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) start() {
	h.t.Helper()
	var err error
	h.Engine, err = jobs.Start(h.t.Context(), jobs.Options{
		Store: h.store, Devices: h.fleet, Window: h.window, MaxEnded: h.maxEnded, Throttle: h.throttle, Logger: zaptest.NewLogger(h.t, zaptest.Level(zap.WarnLevel)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// stop stops the hub without waiting for the answers of devices.
func (h *hub) stop() {
	h.t.Helper()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	h.Engine.Close(cancelled)
	if err := h.store.Close(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) restart() {
	h.t.Helper()
	h.stop()
	h.open()
	h.start()
}

func (h *hub) close() {
	h.t.Helper()
	if err := h.Engine.Close(context.Background()); err != nil {
		h.t.Error(err)
	}
	if err := h.store.Close(); err != nil {
		h.t.Error(err)
	}
}

// startAndAdvance starts a stored job on all devices and changes its rows, as an engine
// would do.
func (h *hub) startAndAdvance(id string, rows store.JobRows) {
	h.t.Helper()
	done := make(chan error, 1)
	everyDevice := func(iothub.Job) (*query.Condition, error) { return nil, nil }
	h.store.StartJobAsync(id, everyDevice, time.Now(), time.Hour, func(_ []string, err error) { done <- err })
	if err := <-done; err != nil {
		h.t.Fatal(err)
	}

	h.store.AdvanceJobAsync(id, rows, time.Now(), func(err error) { done <- err })
	if err := <-done; err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) create(job iothub.Job) iothub.Job {
	h.t.Helper()
	job, err := h.Create(h.t.Context(), job)
	if err != nil {
		h.t.Fatal(err)
	}
	return job
}

func (h *hub) job(id string) iothub.Job {
	h.t.Helper()
	job, err := h.Job(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return job
}

// rows maps each device id to the device's row in the job. It fails if a device has two
// rows.
func (h *hub) rows(id string) map[string]iothub.DeviceJob {
	h.t.Helper()
	q, err := query.Parse("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '" + id + "'")
	if err != nil {
		h.t.Fatal(err)
	}
	list, _, err := h.store.QueryDeviceJobs(h.t.Context(), q, 100_000, "")
	if err != nil {
		h.t.Fatal(err)
	}

	rows := make(map[string]iothub.DeviceJob)
	for _, text := range list {
		var row iothub.DeviceJob
		if err := json.Unmarshal(text, &row); err != nil {
			h.t.Fatal(err)
		}
		if _, twice := rows[row.DeviceID]; twice {
			h.t.Errorf("device %s has two rows", row.DeviceID)
		}
		rows[row.DeviceID] = row
	}
	return rows
}

func (h *hub) rowStatus(job, device string) (status iothub.DeviceJobStatus) {
	err := h.store.DB().QueryRow("SELECT status FROM device_jobs WHERE job_id = ? AND device_id = ?", job, device).Scan(&status)
	if err != nil && err != sql.ErrNoRows {
		h.t.Error(err)
	}
	return status
}

// lock returns a job that calls the method lockDoor.
func lock(id, condition string) iothub.Job {
	return iothub.Job{
		JobID: id, Type: iothub.ScheduleDeviceMethod, QueryCondition: condition,
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 15},
	}
}

// setFloor returns a job that sets the desired property "floor".
func setFloor(id, condition string) iothub.Job {
	return iothub.Job{
		JobID: id, Type: iothub.ScheduleUpdateTwin, QueryCondition: condition,
		UpdateTwin: json.RawMessage(`{"etag":"*","desired":{"floor":3}}`),
	}
}

// at returns a copy of the job with the given start time.
func at(job iothub.Job, start time.Time) iothub.Job {
	job.StartTime = &start
	return job
}

// ids returns n device ids.
func ids(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("d%04d", i))
	}
	return list
}
