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

// Status is the status of a rollout.
type Status string

// The statuses of a rollout. In its file, an interrupted rollout keeps the status running;
// see [Store.Show].
const (
	Running Status = "running"
	Aborted Status = "aborted" // too many devices failed
	Stopped Status = "stopped" // the user stopped it, or no process runs it
	Done    Status = "done"    // every wave has passed
)

// Phase is the phase of the current wave of a rollout.
type Phase string

// The phases of a wave.
const (
	Calling  Phase = "calling"  // the wave's jobs call its devices
	Soaking  Phase = "soaking"  // the rollout waits for the soak time to pass
	Checking Phase = "checking" // the rollout checks whether the twins meet Rules.Require
)

// Work is the method or twin change that a rollout applies to every device. The jobs of
// all waves have the same work.
type Work struct {
	Type         iothub.JobType        `json:"type"`
	Method       *iothub.MethodRequest `json:"cloudToDeviceMethod,omitempty"`
	UpdateTwin   json.RawMessage       `json:"updateTwin,omitempty"`
	MaxExecution int64                 `json:"maxExecutionTimeInSeconds"`
}

// Rules are the conditions under which a rollout continues with the next wave.
type Rules struct {
	Soak       int64   `json:"soakSeconds,omitempty"` // soak time: seconds to wait after each wave
	AbortAbove Percent `json:"abortAbove"`            // abort if a larger share of the judged devices has failed
	MinDevices int     `json:"minDevices,omitempty"`  // judge waves with fewer devices together with the next wave
	Require    string  `json:"require,omitempty"`     // condition that the devices' twins must meet after a wave; empty for none
}

// Rollout is the complete state of a rollout, as its file stores it.
type Rollout struct {
	ID  string `json:"id"`
	Hub string `json:"hub"` // host name of the hub
	// HubID is the hub's id; see [iothub.HubID]. It is empty in files of earlier releases,
	// and for a hub that sends no id.
	HubID   iothub.HubID `json:"hubId,omitempty"`
	HubName string       `json:"hubName,omitempty"` // what the user called the hub at the start
	Created time.Time    `json:"created"`
	Where   string       `json:"where"` // condition that selected the devices
	Work    Work         `json:"work"`
	Rules   Rules        `json:"rules"`

	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"` // why the rollout was aborted or stopped

	Phase     Phase      `json:"phase"` // phase of the current wave
	SoakUntil *time.Time `json:"soakUntil,omitempty"`
	Waves     []Wave     `json:"waves"`
}

// Wave is a group of devices. The rollout calls all devices of a wave before it begins
// the next wave.
type Wave struct {
	// Jobs call the wave's devices, one job after the other. If the rollout calls failed
	// devices again, it appends new jobs.
	Jobs []Job `json:"jobs"`
	// Failed maps the id of each failed device to its failure. It does not contain
	// devices that the rollout will call again.
	Failed map[string]Failure `json:"failed,omitempty"`
	// Gone holds the sorted ids of the devices that were deleted from the registry after
	// the start of the rollout. The rollout leaves them out.
	Gone []string `json:"gone,omitempty"`
	// Skipped holds the sorted ids of the devices that the user has left out with Skip.
	Skipped []string `json:"skipped,omitempty"`
	Passed  bool     `json:"passed,omitempty"`
}

// Job is one job of a wave.
type Job struct {
	ID      string   `json:"id"`
	Devices []string `json:"devices"`
	// SubmittedAt is the time of the first attempt to create the job; nil means that
	// there was no attempt. After an attempt, the hub may have the job.
	SubmittedAt *time.Time `json:"begun,omitempty"`
	Ended       bool       `json:"ended,omitempty"`
}

// Failure is the outcome of a device that did not succeed.
type Failure struct {
	Outcome iothub.Outcome `json:"outcome"`
	Reason  string         `json:"reason,omitempty"`
	Code    string         `json:"code,omitempty"` // error code in the device's answer
}

// New creates a rollout and plans its jobs. Pass the event [Start] to [Run] to begin
// the rollout.
func New(id string, hub Hub, where string, work Work, rules Rules, waves [][]string, now time.Time) Rollout {
	r := Rollout{
		ID: id, Created: now.UTC().Truncate(time.Second), Where: where, Work: work, Rules: rules,
		Status: Running, Phase: Calling,
	}
	r.SetHub(hub)

	for i, devices := range waves {
		r.Waves = append(r.Waves, Wave{})
		r.addJobs(i, devices)
	}

	return r
}

// addJobs appends jobs to a wave. The jobs call the given devices.
func (r *Rollout) addJobs(wave int, devices []string) {
	w := &r.Waves[wave]
	for _, part := range rest.SplitDevices(devices, rest.MaxCondition) {
		first := r.ID + "-w" + strconv.Itoa(wave+1)
		id := first
		for n := 2; slices.ContainsFunc(w.Jobs, func(j Job) bool { return j.ID == id }); n++ {
			id = first + "-" + strconv.Itoa(n)
		}
		w.Jobs = append(w.Jobs, Job{ID: id, Devices: part})
	}
}

// job converts j to a job of the service API.
func (r Rollout) job(j Job) iothub.Job {
	return iothub.Job{
		JobID: j.ID, Type: r.Work.Type, QueryCondition: rest.DevicesIn(j.Devices),
		CloudToDeviceMethod: r.Work.Method, UpdateTwin: r.Work.UpdateTwin,
		MaxExecutionTimeInSeconds: r.Work.MaxExecution,
	}
}

// clone returns a copy of a rollout. The copy has its own waves and jobs.
func (r Rollout) clone() Rollout {
	r.Waves = slices.Clone(r.Waves)
	for i, w := range r.Waves {
		w.Jobs, w.Failed = slices.Clone(w.Jobs), maps.Clone(w.Failed)
		w.Gone, w.Skipped = slices.Clone(w.Gone), slices.Clone(w.Skipped)
		r.Waves[i] = w
	}
	return r
}

// CurrentWave returns the index of the first wave that has not passed, or len(r.Waves)
// if all waves have passed.
func (r Rollout) CurrentWave() int {
	i := slices.IndexFunc(r.Waves, func(w Wave) bool { return !w.Passed })
	if i < 0 {
		return len(r.Waves)
	}
	return i
}

// currentJob returns the index of the wave's first job that has not ended, or -1 if all
// jobs have ended.
func (w Wave) currentJob() int {
	return slices.IndexFunc(w.Jobs, func(j Job) bool { return !j.Ended })
}

// Devices returns the ids of the wave's devices in calling order, without duplicates
// and without the devices in Gone and Skipped.
func (w Wave) Devices() []string {
	var devices []string
	seen := make(map[string]bool)
	for _, id := range slices.Concat(w.Gone, w.Skipped) {
		seen[id] = true
	}

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

// Pending returns the ids of the wave's devices whose job has not ended, or has not
// been created.
func (w Wave) Pending() []string {
	var devices []string
	for _, j := range w.Jobs {
		if !j.Ended {
			devices = append(devices, j.Devices...)
		}
	}
	return devices
}

// RunningJob returns the id of the job that may be running: it was submitted and is not
// known to have ended. It returns "" if there is no such job.
func (r Rollout) RunningJob() string {
	for _, w := range r.Waves {
		for _, j := range w.Jobs {
			if j.SubmittedAt != nil && !j.Ended {
				return j.ID
			}
		}
	}
	return ""
}

// Counts holds numbers of devices by result. Devices is the sum of Succeeded, Failed and
// Pending.
type Counts struct {
	Devices   int `json:"devices"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Pending   int `json:"pending"`
	Gone      int `json:"gone,omitempty"`    // left out, because they were deleted from the registry
	Skipped   int `json:"skipped,omitempty"` // left out by the user
}

// Add returns the sum of c and d.
func (c Counts) Add(d Counts) Counts {
	return Counts{c.Devices + d.Devices, c.Succeeded + d.Succeeded, c.Failed + d.Failed, c.Pending + d.Pending, c.Gone + d.Gone, c.Skipped + d.Skipped}
}

// Counts returns the numbers of the wave's devices by result.
func (w Wave) Counts() Counts {
	c := Counts{Devices: len(w.Devices()), Failed: len(w.Failed), Pending: len(w.Pending()), Gone: len(w.Gone), Skipped: len(w.Skipped)}
	c.Succeeded = c.Devices - c.Failed - c.Pending
	return c
}

// Counts returns the numbers of all devices by result.
func (r Rollout) Counts() Counts {
	var all Counts
	for _, w := range r.Waves {
		all = all.Add(w.Counts())
	}
	return all
}
