package system

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// The hub is killed several times at random moments. Meanwhile a method job and a twin
// job run, services write desired properties, and devices report. Every acknowledged
// write must survive, and no version number may decrease. No device may be called twice
// for one job, and both jobs must end. LATCHD_TEST_HUB_KILLS sets the number of kills.
// The test logs its random seed.
func TestHubKilledAgainAndAgain(t *testing.T) {
	kills := 4
	if text := os.Getenv("LATCHD_TEST_HUB_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))
	const devices = 20
	h := harness.StartHub(t, bin)
	w := startWitnesses(t, h, devices)
	outcomes := make(map[iothub.Outcome]int)
	for round := range kills {
		for _, id := range w.ids {
			h.Invoke(t, id, "ready", "") // wait until the device has reconnected
		}
		w.drain()
		stop := w.write(t, h, 4)
		method, twin := fmt.Sprintf("method-%d", round), fmt.Sprintf("twin-%d", round)
		w.createJob(t, h, iothub.Job{JobID: twin, Type: iothub.ScheduleUpdateTwin, QueryCondition: "*",
			UpdateTwin: json.RawMessage(fmt.Sprintf(`{"properties":{"desired":{"round":%d}}}`, round))})
		w.createJob(t, h, iothub.Job{JobID: method, Type: iothub.ScheduleDeviceMethod, QueryCondition: "*",
			CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 30,
				Payload: json.RawMessage(strconv.Quote(method))}})
		take(t, w.progress, 1+random.IntN(4*devices), "steps of progress")
		h.Kill()
		stop()
		h.Start(t)
		for _, job := range []string{twin, method} {
			harness.Await(t, "the end of job "+job, func() error {
				j, err := h.Client(t).Job(t.Context(), job)
				if err == nil && j.Status != iothub.JobCompleted {
					err = fmt.Errorf("the job is %s, %+v", j.Status, j.DeviceJobStatistics)
				}
				return err
			})
		}
		for outcome, n := range w.checkMethodJob(t, h, method) {
			outcomes[outcome] += n
		}
		w.checkTwins(t, h, twin, round)
		if t.Failed() {
			t.Fatalf("failed in round %d", round)
		}
	}
	t.Logf("outcomes of the methods: %v", outcomes)
}

// witnesses is a group of simulated devices. The devices record everything that a
// killed hub must not lose or repeat.
type witnesses struct {
	ids      []string
	progress chan struct{} // receives a value for each call, report and write

	mu       sync.Mutex
	errors   []string
	called   map[string]int   // number of calls; key: "job/device"
	patched  map[string]int64 // version of the last patch of desired properties; key: device id
	desired  map[string]int64 // highest version of desired properties seen; key: device id
	reported map[string]int64 // highest version of reported properties; key: device id
	report   map[string]int   // last acknowledged value of the reported property; key: device id
	written  map[string]int   // last acknowledged value of the desired property; key: device id
	writes   map[string]int64 // version after the last acknowledged write of a service; key: device id
}

func startWitnesses(t *testing.T, h *harness.Hub, n int) *witnesses {
	t.Helper()
	w := &witnesses{progress: make(chan struct{}, 1<<20), called: map[string]int{}, patched: map[string]int64{}, desired: map[string]int64{}, reported: map[string]int64{},
		report: map[string]int{}, written: map[string]int{}, writes: map[string]int64{}}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { stop(); running.Wait() })

	connected := make(chan struct{}, n)
	for i := range n {
		id := fmt.Sprintf("door-%02d", i)
		w.ids = append(w.ids, id)
		opts := mqtt.Options{Device: h.CreateDevice(t, id), Endpoint: h.MQTT, RootCAs: trust.Pool(h.Roots(t)), After: soon}
		running.Go(func() {
			err := mqtt.Run(ctx, opts, func(ctx context.Context, link *mqtt.Link) error {
				select {
				case connected <- struct{}{}:
				default:
				}
				w.serve(ctx, id, link)
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	take(t, connected, n, "devices to connect")
	return w
}

// soon replaces time.After in the devices. It shortens the pauses before a device
// reconnects, because these pauses grow when the hub is killed often. It does not
// shorten the life of a token.
func soon(d time.Duration) <-chan time.Time {
	if d < 10*time.Minute {
		d /= 50
	}
	return time.After(d)
}

// serve runs one device until the link ends. It reads the twin and receives changes of
// the desired properties. It answers each method and then reports a new value.
func (w *witnesses) serve(ctx context.Context, id string, link *mqtt.Link) {
	if twin, err := link.Twin(ctx); err == nil {
		w.see(id, "the twin's desired version", w.desired, twin.Desired.Version(), false)
		w.see(id, "the twin's reported version", w.reported, twin.Reported.Version(), false)
		w.mu.Lock()
		n, _ := twin.Reported["n"].(json.Number)
		if got, _ := n.Int64(); int(got) != w.report[id] && int(got) != w.report[id]+1 {
			w.errors = append(w.errors, fmt.Sprintf("%s: report %d was acknowledged, but the twin has %d", id, w.report[id], got))
		}
		w.report[id] = max(w.report[id], number64(n))
		w.mu.Unlock()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case patch := <-link.Desired():
			w.see(id, "a desired patch", w.patched, patch.Version(), true)
			w.mu.Lock()
			w.desired[id] = max(w.desired[id], patch.Version()) // the version may be known already, from a twin
			w.mu.Unlock()
		case m, ok := <-link.Methods():
			if !ok {
				<-ctx.Done()
				return
			}
			var job string
			json.Unmarshal(m.Payload, &job)
			w.mu.Lock()
			w.called[job+"/"+id]++
			next := w.report[id] + 1
			w.mu.Unlock()
			w.progress <- struct{}{}
			link.Respond(ctx, m.RequestID, iothub.MethodResponse{Status: 200, Payload: json.RawMessage(strconv.Quote(id))})
			version, err := link.Report(ctx, iothub.Object{"n": next})
			if err == nil {
				w.see(id, "a report", w.reported, version, true)
				w.mu.Lock()
				w.report[id] = next
				w.mu.Unlock()
			}
		}
		w.progress <- struct{}{}
	}
}

// see records a version number that a device has received. It records an error if the
// version is lower than an earlier one. If newer is true, a version that is equal to an
// earlier one is an error, too.
func (w *witnesses) see(id, what string, versions map[string]int64, version int64, newer bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if version < versions[id] || newer && version == versions[id] {
		w.errors = append(w.errors, fmt.Sprintf("%s: %s has version %d after version %d", id, what, version, versions[id]))
	}
	versions[id] = max(versions[id], version)
}

// write increments a desired property of the first devices, one service for each
// device, until stop is called.
func (w *witnesses) write(t *testing.T, h *harness.Hub, devices int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for _, id := range w.ids[:devices] {
		client := h.Client(t)
		writers.Go(func() {
			for {
				w.mu.Lock()
				n := w.written[id] + 1
				w.mu.Unlock()
				twin, err := client.UpdateTwin(ctx, id, iothub.TwinPatch{Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"n": n}}}, "")
				if err != nil {
					return
				}
				w.mu.Lock()
				w.written[id], w.writes[id] = n, twin.Properties.Desired.Version()
				w.mu.Unlock()
				w.progress <- struct{}{}
			}
		})
	}
	return func() { cancel(); writers.Wait() }
}

func (w *witnesses) createJob(t *testing.T, h *harness.Hub, job iothub.Job) {
	t.Helper()
	job.MaxExecutionTimeInSeconds = 300
	if _, err := h.Client(t).CreateJob(t.Context(), job); err != nil {
		t.Fatal(err)
	}
}

// checkMethodJob compares each row of a job with the calls that the device has
// received. It returns the number of devices for each outcome.
func (w *witnesses) checkMethodJob(t *testing.T, h *harness.Hub, job string) map[iothub.Outcome]int {
	t.Helper()
	rows := h.Rows(t, job)
	w.mu.Lock()
	defer w.mu.Unlock()
	outcomes := make(map[iothub.Outcome]int)
	for _, id := range w.ids {
		verdict, calls := rows[id].Judge(), w.called[job+"/"+id]
		outcomes[verdict.Outcome]++
		if calls > 1 {
			t.Errorf("%s was called %d times for %s", id, calls, job)
		}
		switch verdict.Outcome {
		case iothub.Succeeded:
			if payload := string(rows[id].Outcome.DeviceMethodResponse.Payload); calls != 1 || payload != strconv.Quote(id) {
				t.Errorf("the row of %s has the answer %s, but the device was called %d times for %s", id, payload, calls, job)
			}
		case iothub.Uncertain:
		case iothub.Offline:
			if calls != 0 {
				t.Errorf("the row of %s says offline, but the device was called for %s", id, job)
			}
		default:
			t.Errorf("%s: %+v", id, verdict)
		}
	}
	return outcomes
}

// checkTwins checks that the twins contain every acknowledged write. It also reports
// the errors that the devices have recorded.
func (w *witnesses) checkTwins(t *testing.T, h *harness.Hub, job string, round int) {
	t.Helper()
	for id, row := range h.Rows(t, job) {
		if verdict := row.Judge(); verdict.Outcome != iothub.Succeeded {
			t.Errorf("row of %s in job %s: %+v", id, job, verdict)
		}
	}
	for _, id := range w.ids {
		twin := h.Twin(t, id)
		n, _ := twin.Properties.Desired["n"].(json.Number)
		w.mu.Lock()
		// The twin may contain one more write than the hub has acknowledged.
		if got := number64(n); got != w.written[id] && got != w.written[id]+1 {
			t.Errorf("%s: write %d was acknowledged, but the twin has %d", id, w.written[id], got)
		}
		w.written[id] = max(w.written[id], number64(n))
		if version := twin.Properties.Desired.Version(); version < w.writes[id] || version < w.desired[id] {
			t.Errorf("%s: the desired version is %d, but a service has seen %d and the device %d", id, version, w.writes[id], w.desired[id])
		}
		if version := twin.Properties.Reported.Version(); version < w.reported[id] {
			t.Errorf("%s: the reported version is %d, but the device has seen %d", id, version, w.reported[id])
		}
		w.mu.Unlock()
		if got, _ := twin.Properties.Desired["round"].(json.Number); number64(got) != round {
			t.Errorf("%s: after the twin job of round %d, the property round is %v", id, round, got)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range w.errors {
		t.Error(what)
	}
}

// drain discards all values in the channel progress.
func (w *witnesses) drain() {
	for {
		select {
		case <-w.progress:
		default:
			return
		}
	}
}

func number64(n json.Number) int {
	i, _ := n.Int64()
	return int(i)
}
