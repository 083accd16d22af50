package console

import (
	"context"
	"fmt"
	"net/http"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
)

// selectedDevices is a list of devices: the answer to a question, and the devices that
// the user confirmed.
type selectedDevices struct {
	IDs []string `json:"ids"`
}

// listFailed sends the page the ids of the devices on which a job can be repeated.
func (s *Server) listFailed(w http.ResponseWriter, r *http.Request) error {
	_, ids, err := s.failedDevices(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return respond(w, selectedDevices{ids})
}

// retryJob handles a page's request to repeat a job on the devices on which it failed. It
// refuses the request unless these are the devices that the user confirmed.
func (s *Server) retryJob(w http.ResponseWriter, r *http.Request) error {
	var request selectedDevices
	if err := decode(w, r, &request); err != nil {
		return err
	}

	earlier, ids, err := s.failedDevices(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := checkConfirmed(request.IDs, ids, "the job failed on"); err != nil {
		return err
	}
	conditions, err := s.confirmedConditions(r, jobRequest{IDs: ids})
	if err != nil {
		return err
	}

	next := s.opts.Fleet.Repeat(r.Context(), earlier)
	next.MaxExecutionTimeInSeconds = maxExecution
	return s.sendJobs(w, r, next, fleet.OperationOf(next).Name, conditions)
}

// failedDevices returns a job that has ended, and the ids of the devices on which it can
// be repeated: it did not succeed there, and they will not act by themselves.
func (s *Server) failedDevices(ctx context.Context, id string) (iothub.Job, []string, error) {
	if err := iothub.CheckJobID(id); err != nil {
		return iothub.Job{}, nil, badRequest(err)
	}
	j, err := s.opts.Hub.Job(ctx, id)
	if err != nil {
		return j, nil, err
	}
	if !j.Status.Ended() {
		return j, nil, &httpError{http.StatusConflict, fmt.Sprintf("the job has not ended (%s); wait for its end", j.Status)}
	}

	report, err := watch.Rows(ctx, s.opts.Hub, j)
	if err != nil {
		return j, nil, err
	}
	s.budget.spend(report.Total(), s.opts.Fleet.Now())

	u, err := s.opts.Fleet.Unsuccessful(ctx, report)
	s.budget.spend(len(u.Failed), s.opts.Fleet.Now())
	return j, fleet.IDs(u.Failed), err
}
