package rollout

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// Status is how a rollout stands.
type Status string

// The states of a rollout. One that was left in the middle is running: it is, as
// soon as somebody resumes it.
const (
	Running Status = "running"
	Aborted Status = "aborted" // too many devices failed
	Stopped Status = "stopped" // a person stopped it
	Done    Status = "done"    // every wave was called
)

// Phase is what a running rollout is at with its wave.
type Phase string

// The phases of a wave.
const (
	Calling  Phase = "calling"  // its jobs run
	Soaking  Phase = "soaking"  // its devices are left to themselves for a while
	Checking Phase = "checking" // its devices' twins are looked at
)

// Work is what a rollout does to each device: the part of a job that does not
// depend on the wave.
type Work struct {
	Type         iothub.JobType        `json:"type"`
	Method       *iothub.MethodRequest `json:"cloudToDeviceMethod,omitempty"`
	UpdateTwin   json.RawMessage       `json:"updateTwin,omitempty"`
	MaxExecution int64                 `json:"maxExecutionTimeInSeconds"`
}

// Rules say when a rollout goes on.
type Rules struct {
	Soak       int64   `json:"soakSeconds,omitempty"`
	AbortAbove Percent `json:"abortAbove"`
	MinDevices int     `json:"minDevices,omitempty"` // fewer are not judged alone
	Require    string  `json:"require,omitempty"`    // a condition for twins; empty: none
}

// Rollout is all that there is to know of a rollout, as its file has it.
type Rollout struct {
	ID      string    `json:"id"`
	Hub     string    `json:"hub"` // its host name
	Created time.Time `json:"created"`
	Where   string    `json:"where"` // what selected the devices when it was made
	Work    Work      `json:"work"`
	Rules   Rules     `json:"rules"`

	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"` // why it does not run

	Phase     Phase      `json:"phase"` // of the first wave that has not passed
	SoakUntil *time.Time `json:"soakUntil,omitempty"`
	Waves     []Wave     `json:"waves"`
}

// Wave is a part of the devices, which are called before any of the next.
type Wave struct {
	// Jobs call its devices, one after the other. Those of a retry follow the
	// first, and call only devices that are in these too.
	Jobs []Job `json:"jobs"`
	// Failed has the devices that were called without success, and why. A device
	// that is to be called again is not among them.
	Failed map[string]Failure `json:"failed,omitempty"`
	Passed bool               `json:"passed,omitempty"`
}

// Job is one job of the hub.
type Job struct {
	ID      string     `json:"id"`
	Devices []string   `json:"devices"`
	Begun   *time.Time `json:"begun,omitempty"` // since when it may exist
	Ended   bool       `json:"ended,omitempty"`
}

// Failure is what became of a device that has not succeeded.
type Failure struct {
	Outcome iothub.Outcome `json:"outcome"`
	Reason  string         `json:"reason,omitempty"`
}

// NotAsRequired is the outcome of a device that has done as told, and whose twin
// does not meet the condition.
const NotAsRequired iothub.Outcome = "not as required"

// New makes a rollout of the waves, with the ids of all jobs. Its first step is
// [Begin].
func New(id, hub, where string, work Work, rules Rules, waves [][]string, now time.Time) Rollout {
	r := Rollout{
		ID: id, Hub: hub, Created: now.UTC().Truncate(time.Second), Where: where, Work: work, Rules: rules,
		Status: Running, Phase: Calling,
	}
	for i, devices := range waves {
		r.Waves = append(r.Waves, Wave{})
		r.plan(i, devices)
	}
	return r
}

// plan adds jobs to a wave that call devices.
func (r *Rollout) plan(wave int, devices []string) {
	w := &r.Waves[wave]
	for _, part := range Parts(devices, MaxCondition) {
		id := r.ID + "-w" + strconv.Itoa(wave+1)
		if n := len(w.Jobs); n > 0 {
			id += "-" + strconv.Itoa(n+1)
		}
		w.Jobs = append(w.Jobs, Job{ID: id, Devices: part})
	}
}

// job is the job of the hub that j stands for.
func (r Rollout) job(j Job) iothub.Job {
	return iothub.Job{
		JobID: j.ID, Type: r.Work.Type, QueryCondition: rest.DevicesIn(j.Devices),
		CloudToDeviceMethod: r.Work.Method, UpdateTwin: r.Work.UpdateTwin,
		MaxExecutionTimeInSeconds: r.Work.MaxExecution,
	}
}

// clone copies what a step changes.
func (r Rollout) clone() Rollout {
	r.Waves = slices.Clone(r.Waves)
	for i, w := range r.Waves {
		w.Jobs, w.Failed = slices.Clone(w.Jobs), maps.Clone(w.Failed)
		r.Waves[i] = w
	}
	return r
}

// At is the wave that the rollout is at, counted from 0: the first that has not
// passed, or the number of waves.
func (r Rollout) At() int {
	at := slices.IndexFunc(r.Waves, func(w Wave) bool { return !w.Passed })
	if at < 0 {
		return len(r.Waves)
	}
	return at
}

// open is the first job that has not ended, or -1.
func (w Wave) open() int {
	return slices.IndexFunc(w.Jobs, func(j Job) bool { return !j.Ended })
}

// Devices are the wave's devices in their order.
func (w Wave) Devices() []string {
	var devices []string
	seen := make(map[string]bool)
	for _, j := range w.Jobs {
		for _, id := range j.Devices {
			if !seen[id] {
				seen[id] = true
				devices = append(devices, id)
			}
		}
	}
	return devices
}

// Pending are the devices that are still to be called, or were called by a job
// that has not ended.
func (w Wave) Pending() []string {
	var devices []string
	for _, j := range w.Jobs {
		if !j.Ended {
			devices = append(devices, j.Devices...)
		}
	}
	return devices
}

// RunningJob is the id of the job that was begun and has not ended as far as is
// known; empty if there is none.
func (r Rollout) RunningJob() string {
	for _, w := range r.Waves {
		for _, j := range w.Jobs {
			if j.Begun != nil && !j.Ended {
				return j.ID
			}
		}
	}
	return ""
}

// Counts is how many devices have done as told, have not, and are still to be
// called or judged.
type Counts struct {
	Devices   int `json:"devices"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Pending   int `json:"pending"`
}

// Add returns the sum of both.
func (c Counts) Add(d Counts) Counts {
	return Counts{c.Devices + d.Devices, c.Succeeded + d.Succeeded, c.Failed + d.Failed, c.Pending + d.Pending}
}

// Counts counts the wave's devices.
func (w Wave) Counts() Counts {
	c := Counts{Devices: len(w.Devices()), Failed: len(w.Failed), Pending: len(w.Pending())}
	c.Succeeded = c.Devices - c.Failed - c.Pending
	return c
}

// Counts counts the rollout's devices.
func (r Rollout) Counts() Counts {
	var all Counts
	for _, w := range r.Waves {
		all = all.Add(w.Counts())
	}
	return all
}
