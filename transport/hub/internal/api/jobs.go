package api

import (
	"net/http"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// putJob creates a job.
func (a *api) putJob(w http.ResponseWriter, r *http.Request) error {
	var job iothub.Job
	if err := read(w, r, &job); err != nil {
		return err
	}

	change := &changesOf(r.Context()).whole
	change.Condition = job.QueryCondition
	if job.CloudToDeviceMethod != nil {
		change.Method = job.CloudToDeviceMethod.MethodName
	}

	id := r.PathValue("id")
	if job.JobID != "" && job.JobID != id {
		return invalid("jobId is %q in the body and %q in the URL", job.JobID, id)
	}
	job.JobID = id

	job, err := a.Jobs.Create(r.Context(), job)
	if err != nil {
		return err
	}
	return a.answer(w, job)
}

func (a *api) getJob(w http.ResponseWriter, r *http.Request) error {
	job, err := a.Jobs.Job(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, job)
}

func (a *api) cancelJob(w http.ResponseWriter, r *http.Request) error {
	job, err := a.Jobs.Cancel(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, job)
}

// listTransfers answers the request for import and export jobs, of which latchhub has
// none. az sends this request for every list of jobs.
func (a *api) listTransfers(w http.ResponseWriter, _ *http.Request) error {
	return a.answer(w, []struct{}{})
}

// queryJobs lists jobs by type and status. It selects no jobs for a type that IoT Hub
// knows but latchhub does not serve, such as "export".
func (a *api) queryJobs(w http.ResponseWriter, r *http.Request) error {
	limit, err := pageSize(r, defaultPage, maxPage)
	if err != nil {
		return err
	}

	var filter store.JobFilter
	if err := readParameter(r, "jobType", &filter.Type); err != nil {
		return err
	}
	if err := readParameter(r, "jobStatus", &filter.Status); err != nil {
		return err
	}

	jobs, next, err := a.Jobs.Jobs(r.Context(), filter, limit, continuation(r))
	if err != nil {
		return err
	}

	if jobs == nil {
		jobs = []iothub.Job{}
	}

	setPageHeaders(w, "JobResponse", next)
	return a.answer(w, jobs)
}
