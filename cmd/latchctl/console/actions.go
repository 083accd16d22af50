package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const (
	// maxParts is the maximum number of jobs that one request creates. A job's condition
	// names each selected door, and a hub limits the length of a condition. One condition
	// has room for about 600 ids of 10 characters.
	maxParts = 20

	// fullPatience is how long a job waits while the hub is at its limit on active jobs.
	fullPatience = 10 * time.Minute

	// pastAllowed is how far in the past the start of a job may be. The hub starts a job
	// with such a time at once.
	pastAllowed = time.Minute

	// answerTimeout is the time within which a door must answer a method, in seconds. It
	// equals the default of latchctl lock and unlock.
	answerTimeout = 15
	// maxExecution is the maximum duration of a job, in seconds. It equals the default of
	// latchctl lock and unlock.
	maxExecution = 3600
)

// jobRequest is the body of a page's request to create jobs.
type jobRequest struct {
	Do         string        `json:"do"`    // lock, unlock or twin
	IDs        []string      `json:"ids"`   // ids of the devices that the user confirmed
	Where      string        `json:"where"` // condition that must match exactly these devices; empty if the job must name them
	Start      *time.Time    `json:"start"` // nil starts the job at once
	Reason     string        `json:"reason"`
	ForSeconds int           `json:"forSeconds"`
	Desired    iothub.Object `json:"desired"`
	Tags       iothub.Object `json:"tags"`
}

// job converts a page's request to a job without an id and a condition. by is the
// technician's login, which the job sends to each door; an empty login is not sent.
func (r jobRequest) job(by string, now time.Time) (iothub.Job, error) {
	j := iothub.Job{StartTime: r.Start, MaxExecutionTimeInSeconds: maxExecution}
	if r.Start != nil && now.Sub(*r.Start) > pastAllowed {
		return j, fmt.Errorf("the start %s is in the past; choose a later time", r.Start.Format(time.RFC3339))
	}

	switch r.Do {
	case "lock", "unlock":
		if r.ForSeconds < 0 || r.ForSeconds > 0 && r.Do == "lock" {
			return j, errors.New("only an unlock can have a time limit, of at least 1 second")
		}
		method, err := fleet.BoltCommand{Unlock: r.Do == "unlock", Reason: r.Reason, ForSeconds: int64(r.ForSeconds)}.Method(by, answerTimeout)
		if err != nil {
			return j, err
		}
		j.Type = iothub.ScheduleDeviceMethod
		j.CloudToDeviceMethod = &method
		return j, method.Check()

	case "twin":
		patch, err := fleet.TwinPatch(r.Desired, r.Tags)
		j.Type = iothub.ScheduleUpdateTwin
		j.UpdateTwin = patch
		return j, err
	}

	return j, fmt.Errorf("unknown action %q; want lock, unlock or twin", r.Do)
}

// createdJobs is the answer to a request to create jobs.
type createdJobs struct {
	Jobs []job `json:"jobs"`
}

// createJobs handles a page's request to create jobs. It refuses the request unless the
// hub now has exactly the devices that the user confirmed. One job has room for a limited
// number of ids, so many selected doors need several jobs.
func (s *Server) createJobs(w http.ResponseWriter, r *http.Request) error {
	var request jobRequest
	if err := decode(w, r, &request); err != nil {
		return err
	}
	j, err := request.job(s.opts.Fleet.By(r.Context()), s.opts.Fleet.Now())
	if err != nil {
		return badRequest(err)
	}
	conditions, err := s.confirmedConditions(r, request)
	if err != nil {
		return err
	}

	return s.sendJobs(w, r, j, request.Do, conditions)
}

// sendJobs creates a job for each condition and follows the jobs. name is the first word
// of their ids. While the hub is at its limit on active jobs, the jobs after the first
// wait; the page's notice says so.
func (s *Server) sendJobs(w http.ResponseWriter, r *http.Request, j iothub.Job, name string, conditions []string) error {
	s.notify("")

	created := createdJobs{Jobs: []job{}}
	for i, where := range conditions {
		one, err := s.sendJob(r.Context(), j, name, where, 0)
		if watch.IsFull(err) && i == 0 {
			return &httpError{http.StatusTooManyRequests, "nothing was sent: the hub has reached its limit on active jobs; try again when a job has ended"}
		}
		if err != nil && i == 0 {
			return err
		}
		if watch.IsFull(err) {
			s.notify(fmt.Sprintf("%d of %s wait until the hub has ended others, for at most %s each", len(conditions)-i, words.Count(len(conditions), "job"),
				words.Duration(fullPatience)))
			s.running.Go(func() { s.sendLater(j, name, conditions[i:]) })
			break
		}
		if err != nil {
			s.notifyUnsent(len(conditions)-i, err)
			break
		}
		created.Jobs = append(created.Jobs, newJob(one))
	}

	return respond(w, created)
}

// sendLater creates a job for each condition as soon as the hub accepts it.
func (s *Server) sendLater(j iothub.Job, name string, conditions []string) {
	for i, where := range conditions {
		if _, err := s.sendJob(s.ctx, j, name, where, fullPatience); err != nil {
			s.notifyUnsent(len(conditions)-i, err)
			return
		}
	}
	s.notify("")
}

// sendJob creates a job on the hub and follows it. While the hub is at its limit on active
// jobs, sendJob waits for at most the given time.
func (s *Server) sendJob(ctx context.Context, j iothub.Job, name, where string, wait time.Duration) (iothub.Job, error) {
	j.JobID, j.QueryCondition = s.opts.Fleet.NewJobID(name), where
	created, err := s.quietFleet().Create(ctx, fleet.Work{Jobs: []iothub.Job{j}, Wait: wait})
	if err != nil {
		return j, err
	}

	one := created[0]
	one.QueryCondition = where
	s.follow(one)
	return one, nil
}

// notifyUnsent tells the pages that jobs of a request could not be created.
func (s *Server) notifyUnsent(jobs int, err error) {
	s.notify(shown(fmt.Sprintf("%s could not be created, so some of the doors get no command: %s", words.Count(jobs, "job"), err)))
}

// notify sets the notice that every page shows above the jobs, until the next action. An
// empty text removes the notice.
func (s *Server) notify(text string) {
	s.feed.do(s.ctx, func(f *feed) {
		if f.notice != text {
			f.notice = text
			f.publish("notice", text)
		}
	})
}

// confirmedConditions returns the conditions of the jobs for a request. Together they
// match exactly the devices that the user confirmed.
func (s *Server) confirmedConditions(r *http.Request, request jobRequest) ([]string, error) {
	if request.Where != "" {
		matching, err := s.selectDevices(r, request.Where)
		if err != nil {
			return nil, err
		}
		return []string{request.Where}, checkConfirmed(request.IDs, matching, "the condition now matches")
	}

	var conditions, found []string
	for _, id := range request.IDs {
		if err := iothub.CheckDeviceID(id); err != nil {
			return nil, badRequest(err)
		}
	}
	parts := rest.SplitDevices(request.IDs, rest.MaxCondition)
	if len(parts) > maxParts {
		return nil, badRequest(fmt.Errorf("nothing was sent: %d doors are too many to name them one by one; select all doors that match a condition",
			len(request.IDs)))
	}

	for _, part := range parts {
		matching, err := s.selectDevices(r, rest.DevicesIn(part))
		if err != nil {
			return nil, err
		}
		conditions, found = append(conditions, rest.DevicesIn(part)), append(found, matching...)
	}
	return conditions, checkConfirmed(request.IDs, found, "the hub now has")
}

// checkConfirmed returns an error unless the matching devices are exactly those that the
// user confirmed. source tells where the matching devices come from.
func checkConfirmed(confirmed, matching []string, source string) error {
	switch {
	case len(matching) == 0:
		return &httpError{http.StatusConflict, "nothing was sent: " + source + " no door"}
	case len(matching) != len(confirmed):
		return &httpError{http.StatusConflict, fmt.Sprintf("nothing was sent: you confirmed %s, but %s %d; check the list and try again",
			words.Count(len(confirmed), "door"), source, len(matching))}
	case !slices.Equal(slices.Sorted(slices.Values(matching)), slices.Sorted(slices.Values(confirmed))):
		return &httpError{http.StatusConflict, "nothing was sent: " + source + " other doors than you confirmed; check the list and try again"}
	}
	return nil
}

// listMatches sends the page the ids of the devices that match a condition.
func (s *Server) listMatches(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.selectDevices(r, r.URL.Query().Get("where"))
	if err != nil {
		return err
	}

	return respond(w, selectedDevices{ids})
}

// selectDevices returns the ids of the devices that match a condition, or an error if
// the condition is invalid. The query counts against the console's query budget.
func (s *Server) selectDevices(r *http.Request, where string) ([]string, error) {
	if fault := fleet.CheckCondition(where); fault != nil {
		return nil, badRequest(errors.New(strings.TrimSuffix("this box "+fault.Problem+": "+fault.Suggestion, ": ")))
	}

	devices, err := s.opts.Fleet.Where(r.Context(), where)
	s.budget.spend(len(devices), s.opts.Fleet.Now())

	return fleet.IDs(devices), err
}

// showDoor sends the page the complete twin of a device.
func (s *Server) showDoor(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("id")
	if err := iothub.CheckDeviceID(id); err != nil {
		return badRequest(err)
	}

	twin, err := s.opts.Hub.Twin(r.Context(), id)
	if err != nil {
		return err
	}
	return respond(w, twin)
}

// refreshDoors handles the page's Refresh button: it starts a read of all doors.
func (s *Server) refreshDoors(w http.ResponseWriter, r *http.Request) error {
	s.refreshNow(0)
	return respond(w, struct{}{})
}
