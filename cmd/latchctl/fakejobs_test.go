package main

import (
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
)

// fakeJob is a job of the fake hub. Each request for the job advances the job by one
// step. A job runs for two steps and ends with the third step.
type fakeJob struct {
	iothub.Job
	devices []*fakeDevice
	step    int
}

// failure returns the error that the fake hub reports for a device that does not
// answer. It returns nil for a device that answers.
func (d *fakeDevice) failure() *iothub.Error {
	switch d.Does {
	case "offline", "":
		return iothub.Errorf(iothub.CodeDeviceNotOnline, "the device %s is not online", d.ID)
	case "timeout":
		return iothub.Errorf(iothub.CodeGatewayTimeout, "the device %s did not answer in time", d.ID)
	case "lost":
		return &iothub.Error{Status: 500, Code: iothub.CodeOutcomeUnknown, Message: "the hub ended before the answer was stored"}
	case "gone":
		return iothub.Errorf(iothub.CodeDeviceNotFound, "the device %s does not exist", d.ID)
	}
	return nil
}

// answer returns the fake device's answer to a method.
func (d *fakeDevice) answer(m iothub.MethodRequest) iothub.MethodResponse {
	switch {
	case d.Does == "open" && m.MethodName == fleet.LockDoor:
		return iothub.MethodResponse{Status: 202, Payload: json.RawMessage(`{"position":"unlocked","pending":"door"}`)}
	case d.Does == "jam":
		return iothub.MethodResponse{Status: 500, Payload: json.RawMessage(`{"error":{"code":"jammed","message":"the bolt did not arrive"}}`)}
	case m.MethodName == "ping":
		payload := m.Payload
		if payload == nil {
			payload = json.RawMessage("null")
		}
		return iothub.MethodResponse{Status: 200, Payload: payload}
	case m.MethodName == fleet.LockDoor:
		return iothub.MethodResponse{Status: 200, Payload: json.RawMessage(`{"position":"locked","confirmed":true}`)}
	case m.MethodName == fleet.UnlockDoor:
		return iothub.MethodResponse{Status: 200, Payload: json.RawMessage(`{"position":"unlocked","confirmed":true}`)}
	}
	return iothub.MethodResponse{Status: 404, Payload: json.RawMessage(`{"error":{"code":"unknown-method","message":"there is no such method"}}`)}
}

func (h *fakeHub) putJob(w http.ResponseWriter, r *http.Request) {
	var job iothub.Job
	if !readBody(w, r, &job) {
		return
	}
	if h.jobs[job.JobID] != nil {
		answerError(w, iothub.Errorf(iothub.CodeJobAlreadyExists, "a job with the id %s exists", job.JobID))
		return
	}

	devices, e := h.selectDevices(job.QueryCondition)
	if e != nil {
		answerError(w, e)
		return
	}
	if h.slow > 0 {
		h.slow--
		w.Header().Set("Retry-After", "0.05")
		answerError(w, iothub.Errorf(iothub.CodeThrottling, "too many requests"))
		return
	}
	if h.full > 0 {
		h.full--
		answerError(w, iothub.Errorf(iothub.CodeTooManyJobs, "too many active jobs"))
		return
	}

	created := time.Date(2026, 11, 23, 12, 0, len(h.jobs), 0, time.UTC)
	job.CreatedTime = &created
	job.Status = iothub.JobQueued
	if job.StartTime != nil && job.StartTime.After(time.Now()) {
		job.Status = iothub.JobScheduled
	} else {
		job.StartTime = &created
	}

	f := &fakeJob{Job: job, devices: devices}
	h.jobs[job.JobID] = f
	answer(w, f.Job)
}

// job returns the job that the request's path names. If there is no such job, it
// answers the request with an error and returns nil.
func (h *fakeHub) job(w http.ResponseWriter, r *http.Request) *fakeJob {
	j := h.jobs[r.PathValue("id")]
	if j == nil {
		answerError(w, iothub.Errorf(iothub.CodeJobNotFound, "the job %s does not exist", r.PathValue("id")))
	}
	return j
}

func (h *fakeHub) getJob(w http.ResponseWriter, r *http.Request) {
	if j := h.job(w, r); j != nil {
		j.next()
		answer(w, j.Job)
	}
}

// next advances the job by one step. A job whose id begins with "stuck" never ends; a
// job whose id begins with "fails" fails.
func (j *fakeJob) next() {
	if j.Status.Ended() || j.Status == iothub.JobScheduled {
		return
	}

	j.step++
	j.Status = iothub.JobRunning
	n := len(j.devices)
	s := iothub.JobStatistics{DeviceCount: n, RunningCount: n}
	switch {
	case strings.HasPrefix(j.JobID, "stuck"):
	case strings.HasPrefix(j.JobID, "fails"):
		j.Status, j.FailureReason = iothub.JobFailed, "the maximum execution time is over"
	case j.step >= 3:
		j.Status = iothub.JobCompleted
		s.RunningCount = 0
		j.updateTwins()
		for _, d := range j.devices {
			if d.failure() != nil && j.Type == iothub.ScheduleDeviceMethod {
				s.FailedCount++
			} else {
				s.SucceededCount++ // An answer of 500 counts as a success, as on IoT Hub.
			}
		}
	}

	j.DeviceJobStatistics = &s
}

// updateTwins applies the desired properties of a twin job to its devices.
func (j *fakeJob) updateTwins() {
	var patch struct {
		Properties struct{ Desired iothub.Object }
	}
	if json.Unmarshal(j.UpdateTwin, &patch) != nil || patch.Properties.Desired == nil {
		return
	}

	for _, d := range j.devices {
		d.desired = d.desired.Merge(patch.Properties.Desired)
		d.version++
	}
}

func (h *fakeHub) cancelJob(w http.ResponseWriter, r *http.Request) {
	j := h.job(w, r)
	switch {
	case j == nil:
	case j.Status != iothub.JobScheduled:
		answerError(w, iothub.Errorf(iothub.CodeInvalidOperation, "Job cannot be cancelled in 'Running' status"))
	default:
		j.Status = iothub.JobCancelled
		answer(w, j.Job)
	}
}

func (h *fakeHub) listJobs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var ids []string
	for id, j := range h.jobs {
		if s := query.Get("jobStatus"); s != "" && s != string(j.Status) {
			continue
		}
		if t := query.Get("jobType"); t != "" && t != string(j.Type) {
			continue
		}
		ids = append(ids, id)
	}

	sort.Strings(ids)
	var rows []any
	for _, id := range ids {
		rows = append(rows, h.jobs[id].Job)
	}
	page(w, r, rows)
}

// rowsOf returns the rows of the job that a condition names. A job has one row per
// device.
func (h *fakeHub) rowsOf(condition string) []iothub.DeviceJob {
	id := strings.TrimSuffix(strings.TrimPrefix(condition, "devices.jobs.jobId = '"), "'")
	j := h.jobs[id]
	if j == nil {
		return nil
	}

	var rows []iothub.DeviceJob
	for _, d := range j.devices {
		row := iothub.DeviceJob{DeviceID: d.ID, JobID: id, JobType: j.Type, Status: iothub.DeviceRunning}
		if j.Status.Ended() {
			row.Status = iothub.DeviceCompleted
			switch {
			case j.Status != iothub.JobCompleted:
				row.Status = iothub.DeviceCanceled
			case j.Type != iothub.ScheduleDeviceMethod:
			case d.failure() != nil:
				e := d.failure()
				row.Status = iothub.DeviceFailed
				row.Error = &iothub.DeviceJobError{Code: string(e.Code), Description: e.Message}
			default:
				m := d.answer(*j.CloudToDeviceMethod)
				row.Outcome = &iothub.DeviceJobOutcome{DeviceMethodResponse: &m}
			}
		}
		rows = append(rows, row)
	}

	return rows
}
