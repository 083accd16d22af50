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

// queryJobs lists jobs by type and status. An unknown type or status is not an error and
// selects no jobs, because clients may know more types than the hub.
func (a *api) queryJobs(w http.ResponseWriter, r *http.Request) error {
	limit, err := pageSize(r, defaultPage, maxPage)
	if err != nil {
		return err
	}

	filter := store.JobFilter{
		Type:   iothub.JobType(r.URL.Query().Get("jobType")),
		Status: iothub.JobStatus(r.URL.Query().Get("jobStatus")),
	}
	jobs, next, err := a.Jobs.Jobs(r.Context(), filter, limit, r.Header.Get("x-ms-continuation"))
	if err != nil {
		return err
	}

	if jobs == nil {
		jobs = []iothub.Job{}
	}

	setPageHeaders(w, "JobResponse", next)
	return a.answer(w, jobs)
}
