package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// JobType is what a job does to its devices.
type JobType string

// The two kinds of jobs on devices.
const (
	ScheduleDeviceMethod JobType = "scheduleDeviceMethod"
	ScheduleUpdateTwin   JobType = "scheduleUpdateTwin"
)

// JobStatus is the state of a job.
type JobStatus string

// The states of a job. Enqueued is what IoT Hub's model has beside queued.
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

// Ended reports whether the job will not change any more.
func (s JobStatus) Ended() bool {
	return s == JobCompleted || s == JobFailed || s == JobCancelled
}

// Job is a job as the service API has it, both asked for and answered.
type Job struct {
	JobID                     string          `json:"jobId"`
	Type                      JobType         `json:"type"`
	QueryCondition            string          `json:"queryCondition,omitempty"`
	CreatedTime               *time.Time      `json:"createdTime,omitempty"`
	StartTime                 *time.Time      `json:"startTime,omitempty"`
	EndTime                   *time.Time      `json:"endTime,omitempty"`
	MaxExecutionTimeInSeconds int64           `json:"maxExecutionTimeInSeconds,omitempty"`
	CloudToDeviceMethod       *MethodRequest  `json:"cloudToDeviceMethod,omitempty"`
	UpdateTwin                json.RawMessage `json:"updateTwin,omitempty"` // a TwinPatch, as it was given
	Status                    JobStatus       `json:"status,omitempty"`
	FailureReason             string          `json:"failureReason,omitempty"`
	StatusMessage             string          `json:"statusMessage,omitempty"`
	DeviceJobStatistics       *JobStatistics  `json:"deviceJobStatistics,omitempty"`
}

// JobStatistics counts a job's devices. A device counts as succeeded once it
// has answered, whatever its answer's status; see [DeviceJob.Judge].
type JobStatistics struct {
	DeviceCount    int `json:"deviceCount"`
	FailedCount    int `json:"failedCount"`
	SucceededCount int `json:"succeededCount"`
	RunningCount   int `json:"runningCount"`
	PendingCount   int `json:"pendingCount"`
}

// DeviceJobStatus is the state of one device in a job. Note the spelling of
// canceled, which is IoT Hub's here.
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

// DeviceJob is one device's row of a job, as SELECT * FROM devices.jobs gives it.
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

// DeviceJobOutcome holds a device's answer.
type DeviceJobOutcome struct {
	DeviceMethodResponse *MethodResponse `json:"deviceMethodResponse"`
}

// DeviceJobError says why a device failed.
type DeviceJobError struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

// CheckJobID reports whether id can name a job: 1 to 64 letters, digits and
// dashes, all ASCII.
func CheckJobID(id string) error {
	if id == "" {
		return errors.New("the job id is empty")
	}
	if len(id) > 64 {
		return fmt.Errorf("the job id has %d characters; at most 64 are allowed", len(id))
	}
	for _, r := range id {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
			return fmt.Errorf("the job id has %q; allowed are ASCII letters, digits and '-'", r)
		}
	}
	return nil
}
