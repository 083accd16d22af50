package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// JobType is the kind of work that a job does on its devices: call a direct method or
// update twins.
type JobType string

// The job types.
const (
	ScheduleDeviceMethod JobType = "scheduleDeviceMethod"
	ScheduleUpdateTwin   JobType = "scheduleUpdateTwin"
)

// JobStatus is the state of a job.
type JobStatus string

// The states of a job. IoT Hub's documentation has both "enqueued" and "queued".
const (
	JobUnknown   JobStatus = "unknown"
	JobEnqueued  JobStatus = "enqueued"
	JobQueued    JobStatus = "queued"
	JobScheduled JobStatus = "scheduled"
	JobRunning   JobStatus = "running"
	JobCompleted JobStatus = "completed"
	JobFailed    JobStatus = "failed"
	JobCancelled JobStatus = "cancelled"
)

// Ended reports whether a job with this status has ended. The status of an ended job
// never changes.
func (s JobStatus) Ended() bool {
	return s == JobCompleted || s == JobFailed || s == JobCancelled
}

// Job is a job in the JSON form of the service API. Requests and answers have the same
// form.
type Job struct {
	JobID                     string          `json:"jobId"`
	Type                      JobType         `json:"type"`
	QueryCondition            string          `json:"queryCondition,omitempty"`
	CreatedTime               *time.Time      `json:"createdTime,omitempty"`
	StartTime                 *time.Time      `json:"startTime,omitempty"`
	EndTime                   *time.Time      `json:"endTime,omitempty"`
	MaxExecutionTimeInSeconds int64           `json:"maxExecutionTimeInSeconds,omitempty"`
	CloudToDeviceMethod       *MethodRequest  `json:"cloudToDeviceMethod,omitempty"`
	UpdateTwin                json.RawMessage `json:"updateTwin,omitempty"` // a TwinPatch in its original JSON
	Status                    JobStatus       `json:"status,omitempty"`
	FailureReason             string          `json:"failureReason,omitempty"`
	StatusMessage             string          `json:"statusMessage,omitempty"`
	DeviceJobStatistics       *JobStatistics  `json:"deviceJobStatistics,omitempty"`
}

// JobStatistics counts the devices of a job by state. IoT Hub counts a device as
// succeeded when the device answers, even if the answer's status means failure. Use
// [DeviceJob.Judge] to find the failures.
type JobStatistics struct {
	DeviceCount    int `json:"deviceCount"`
	FailedCount    int `json:"failedCount"`
	SucceededCount int `json:"succeededCount"`
	RunningCount   int `json:"runningCount"`
	PendingCount   int `json:"pendingCount"`
}

// DeviceJobStatus is the state of one device in a job. IoT Hub spells a device's
// state "canceled" but a job's state "cancelled".
type DeviceJobStatus string

// The states of a device in a job.
const (
	DevicePending   DeviceJobStatus = "pending"
	DeviceScheduled DeviceJobStatus = "scheduled"
	DeviceRunning   DeviceJobStatus = "running"
	DeviceCompleted DeviceJobStatus = "completed"
	DeviceFailed    DeviceJobStatus = "failed"
	DeviceCanceled  DeviceJobStatus = "canceled"
)

// DeviceJob is the row of one device in a job. The query SELECT * FROM devices.jobs
// returns these rows.
type DeviceJob struct {
	DeviceID               string            `json:"deviceId"`
	JobID                  string            `json:"jobId"`
	JobType                JobType           `json:"jobType"`
	Status                 DeviceJobStatus   `json:"status"`
	StartTimeUTC           *time.Time        `json:"startTimeUtc,omitempty"`
	EndTimeUTC             *time.Time        `json:"endTimeUtc,omitempty"`
	CreatedDateTimeUTC     *time.Time        `json:"createdDateTimeUtc,omitempty"`
	LastUpdatedDateTimeUTC *time.Time        `json:"lastUpdatedDateTimeUtc,omitempty"`
	Outcome                *DeviceJobOutcome `json:"outcome,omitempty"`
	Error                  *DeviceJobError   `json:"error,omitempty"`
}

// DeviceJobOutcome holds a device's answer to the direct method that a job called.
type DeviceJobOutcome struct {
	DeviceMethodResponse *MethodResponse `json:"deviceMethodResponse"`
}

// DeviceJobError says why a job failed on a device.
type DeviceJobError struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// CheckJobID returns an error if id cannot be the id of a job. IoT Hub allows 1 to 64
// ASCII letters, digits and dashes. The id "query" is reserved: in the service API, GET
// /jobs/v2/query lists jobs.
func CheckJobID(id string) error {
	if id == "" {
		return errors.New("the job id is empty")
	}
	if len(id) > 64 {
		return fmt.Errorf("the job id has %d characters; at most 64 are allowed", len(id))
	}

	for _, r := range id {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
			return fmt.Errorf("the job id contains %q; allowed are ASCII letters, digits and '-'", r)
		}
	}
	if strings.EqualFold(id, "query") {
		return fmt.Errorf("the job id %q is reserved for the list of jobs; use another id", id)
	}

	return nil
}
