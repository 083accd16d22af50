package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// technician gives commands through the service client and remembers what the hub has
// acknowledged.
type technician struct {
	world  *world
	path   *path
	client *rest.Client

	mu       sync.Mutex
	jobs     map[string]*knownJob
	notes    map[string][]string // acknowledged tags, by device
	commands int
	rollouts map[string]rollout.Status
}

// knownJob is a job that the technician has asked for.
type knownJob struct {
	job          iothub.Job
	acknowledged bool
	cancelled    bool                        // the hub has acknowledged that it cancelled the job
	rows         map[string]iothub.DeviceJob // final rows that the technician has seen
	status       iothub.JobStatus            // final status that the technician has seen; empty if none
}

func newTechnician(w *world, seed uint64) (*technician, error) {
	t := &technician{
		world: w, path: w.network.newPath("technician", seed),
		jobs: map[string]*knownJob{}, notes: map[string][]string{}, rollouts: map[string]rollout.Status{},
	}
	var err error
	t.client, err = w.client(t.path, rand.New(rand.NewPCG(seed, 4)))
	return t, err
}

// callTimeout limits a command of the technician.
const callTimeout = 5 * time.Minute

// do runs a command in its own goroutine. The plan does not wait for it.
func (t *technician) do(command func(context.Context)) {
	t.mu.Lock()
	t.commands++
	t.mu.Unlock()
	t.world.actions.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		command(ctx)
	})
}

// call calls a method directly and checks that its answer is true.
func (t *technician) call(g *gateway, name, payload, reason string) {
	t.do(func(ctx context.Context) {
		answer, err := t.client.InvokeMethod(ctx, g.id(), iothub.MethodRequest{MethodName: name, Payload: []byte(payload)})
		if err == nil {
			g.checkOutcome(reason, answer.Judge(), "the answer to the method")
		}
	})
}

// createJob creates a job and follows it.
func (t *technician) createJob(job iothub.Job) {
	t.know(job)
	t.do(func(ctx context.Context) {
		if _, err := t.client.CreateJob(ctx, job); err == nil {
			t.acknowledge(job.JobID)
		}
	})
}

func (t *technician) know(job iothub.Job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs[job.JobID] == nil {
		t.jobs[job.JobID] = &knownJob{job: job, rows: map[string]iothub.DeviceJob{}}
	}
}

func (t *technician) acknowledge(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jobs[id].acknowledged = true
}

// cancelJob cancels a job.
func (t *technician) cancelJob(id string) {
	t.do(func(ctx context.Context) {
		if _, err := t.client.CancelJob(ctx, id); err == nil {
			t.mu.Lock()
			t.jobs[id].cancelled = true
			t.mu.Unlock()
		}
	})
}

// note adds a tag to a device's twin. The tag must survive once the hub has acknowledged
// it.
func (t *technician) note(g *gateway, tag string) {
	t.do(func(ctx context.Context) {
		_, err := t.client.UpdateTwin(ctx, g.id(), iothub.TwinPatch{Tags: iothub.Object{tag: true}}, "")
		if err == nil {
			t.mu.Lock()
			t.notes[g.id()] = append(t.notes[g.id()], tag)
			t.mu.Unlock()
		}
	})
}

// addKey gives a device a second key. The present one remains valid.
func (t *technician) addKey(id string, present, added iothub.Key) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	device, err := t.client.Device(ctx, id)
	if err == nil {
		device.Authentication.SymmetricKey = iothub.SymmetricKey{PrimaryKey: present.Base64(), SecondaryKey: added.Base64()}
		_, err = t.client.UpdateDevice(ctx, device, device.ETag)
	}
	return err
}

// readJob reads a job with its rows. Rows and statuses that are final must never change.
func (t *technician) readJob(id string) {
	t.do(func(ctx context.Context) {
		job, err := t.client.Job(ctx, id)
		if err != nil {
			return
		}
		report, err := watch.Rows(ctx, t.client, job)
		if err == nil {
			t.saw(report)
		}
	})
}

// saw compares a job and its rows with what the technician has seen before.
func (t *technician) saw(report watch.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.jobs[report.Job.JobID]
	if known.status != "" && known.status != report.Job.Status {
		t.world.fail(2, "job %s was %s and is %s", report.Job.JobID, known.status, report.Job.Status)
	}
	if report.Job.Status.Ended() {
		known.status = report.Job.Status
	}
	for _, d := range report.Devices {
		before, ok := known.rows[d.DeviceID]
		if was := before.Judge(); ok && was != d.Verdict {
			t.world.fail(2, "job %s had %v for %s and has %v", report.Job.JobID, was, d.DeviceID, d.Verdict)
		}
		if d.Verdict.Outcome != iothub.Unfinished {
			known.rows[d.DeviceID] = d.DeviceJob
		}
	}
}

// rollOut runs a rollout in waves, as latchctl does.
func (t *technician) rollOut(id string, devices []string) {
	payload := fmt.Sprintf(`{"forSeconds":5,"reason":%q}`, id)
	r := rollout.New(id, rollout.Hub{HostName: hubName}, "", rollout.Work{
		Type:         iothub.ScheduleDeviceMethod,
		Method:       &iothub.MethodRequest{MethodName: "unlockDoor", Payload: json.RawMessage(payload)},
		MaxExecution: 300,
	}, rollout.Rules{Soak: 10, AbortAbove: 50_00}, [][]string{devices[:1], devices[1:]}, t.world.site.now())

	t.mu.Lock()
	t.commands++
	t.mu.Unlock()
	t.world.actions.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		for range 5 { // the technician resumes a rollout that an outage has interrupted
			var err error
			if r, err = rollout.Run(ctx, r, rollout.Start{}, t.executor()); err == nil {
				break
			}
			time.Sleep(time.Minute)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.rollouts[id] = r.Status
	})
}

func (t *technician) executor() rollout.Executor {
	return rollout.Executor{
		RunJob: func(ctx context.Context, run rollout.RunJob) (rollout.JobEnded, error) {
			t.know(run.Job)
			// An earlier attempt may have created the job; nobody else uses its id.
			_, err := t.client.CreateJob(ctx, run.Job)
			if refusal, ok := errors.AsType[*iothub.Error](err); err != nil && !(ok && refusal.Status == http.StatusConflict) {
				return rollout.JobEnded{}, err
			}
			t.acknowledge(run.Job.JobID)
			report, err := watch.Job(ctx, t.client, run.Job.JobID, watch.Options{
				Now: time.Now, Sleep: sleep, Progress: func(iothub.Job) {}, Note: func(string) {}, Known: true,
			})
			return rollout.JobEnded{Report: report}, err
		},
		SleepUntil:  func(ctx context.Context, until time.Time) error { return sleep(ctx, until.Sub(t.world.site.now())) },
		FindFailing: func(context.Context, []string, string) (rollout.Checked, error) { return rollout.Checked{}, nil },
		Save:        func(rollout.Rollout) error { return nil },
		Now:         t.world.site.now,
		OnStep:      func(rollout.Rollout, rollout.Action) {},
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
