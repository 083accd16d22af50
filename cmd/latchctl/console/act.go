package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

const (
	// maxTicks is how many doors can be ticked one by one, so that a condition
	// that names them stays a request that a hub takes.
	maxTicks = 100
	// answerTimeout is how long a door may take to answer, and maxExecution how
	// long a job may take, in seconds: as lock and unlock have them.
	answerTimeout = 15
	maxExecution  = 3600
)

// wish is a job that a page asks for.
type wish struct {
	Do         string        `json:"do"` // lock, unlock or twin
	Where      string        `json:"where"`
	IDs        []string      `json:"ids"` // of the devices that were confirmed
	Reason     string        `json:"reason"`
	ForSeconds int           `json:"forSeconds"`
	Desired    iothub.Object `json:"desired"`
	Tags       iothub.Object `json:"tags"`
}

// job is the wish as the hub takes it, without an id.
func (w wish) job() (iothub.Job, error) {
	j := iothub.Job{QueryCondition: w.Where, MaxExecutionTimeInSeconds: maxExecution}
	switch w.Do {
	case "lock", "unlock":
		text, err := w.payload()
		if err != nil {
			return j, err
		}
		j.Type = iothub.ScheduleDeviceMethod
		j.CloudToDeviceMethod = &iothub.MethodRequest{MethodName: w.Do + "Door", Payload: text, ResponseTimeoutInSeconds: answerTimeout}
		return j, j.CloudToDeviceMethod.Check()
	case "twin":
		text, err := w.patch()
		j.Type, j.UpdateTwin = iothub.ScheduleUpdateTwin, text
		return j, err
	}
	return j, fmt.Errorf("%q is nothing to do; want lock, unlock or twin", w.Do)
}

// payload is the method's argument: none if there is nothing to say.
func (w wish) payload() (json.RawMessage, error) {
	switch {
	case w.ForSeconds < 0 || w.ForSeconds > 0 && w.Do == "lock":
		return nil, errors.New("only an unlock is for a time, of a second or more")
	case w.Reason == "" && w.ForSeconds == 0:
		return nil, nil
	}
	return json.Marshal(struct {
		Reason     string `json:"reason,omitempty"`
		ForSeconds int    `json:"forSeconds,omitempty"`
	}{w.Reason, w.ForSeconds})
}

// patch is the change of the twins.
func (w wish) patch() (json.RawMessage, error) {
	if len(w.Desired) == 0 && len(w.Tags) == 0 {
		return nil, errors.New("there is nothing to change")
	}
	for _, part := range []iothub.Object{w.Desired, w.Tags} {
		for name := range part {
			if strings.HasPrefix(name, "$") {
				return nil, fmt.Errorf("%s belongs to the hub; leave it out", name)
			}
		}
	}
	patch := iothub.TwinPatch{ETag: "*", Tags: w.Tags} // IoT Hub wants an etag in a job
	if len(w.Desired) > 0 {
		patch.Properties = &iothub.TwinPatchProperties{Desired: w.Desired}
	}
	return json.Marshal(patch)
}

// createJob does what a page asks for, if the condition still selects the devices
// that the person has confirmed, and no others.
func (s *Server) createJob(w http.ResponseWriter, r *http.Request) error {
	var wanted wish
	if err := read(w, r, &wanted); err != nil {
		return err
	}
	j, err := wanted.job()
	if err != nil {
		return badRequest(err)
	}
	ids, err := s.choose(r, wanted.Where)
	if err != nil {
		return err
	}
	if len(ids) == 0 || len(ids) != len(wanted.IDs) {
		return &problem{http.StatusConflict, fmt.Sprintf("nothing was sent: the condition now selects %s, and %d confirmed",
			plural(len(ids), "door"), len(wanted.IDs))}
	}
	if !slices.Equal(slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(wanted.IDs))) {
		return &problem{http.StatusConflict, "nothing was sent: the condition now selects other doors than those confirmed"}
	}
	j.JobID = s.opts.NewID(wanted.Do)
	created, err := s.opts.CreateJob(r.Context(), j)
	if err != nil {
		return err
	}
	created.QueryCondition = j.QueryCondition
	s.follow(created)
	return answer(w, newJob(created))
}

// selects answers with the devices that a condition selects.
func (s *Server) selects(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.choose(r, r.URL.Query().Get("where"))
	if err != nil {
		return err
	}
	return answer(w, struct {
		IDs []string `json:"ids"`
	}{ids})
}

func (s *Server) choose(r *http.Request, where string) ([]string, error) {
	if err := s.opts.CheckCondition(where); err != nil {
		return nil, badRequest(err)
	}
	ids, err := s.opts.Select(r.Context(), where)
	s.pace.spend(len(ids), s.opts.Now())
	if ids == nil {
		ids = []string{}
	}
	return ids, err
}

// showDoor answers with all that the hub has of a device's twin.
func (s *Server) showDoor(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("id")
	if err := iothub.CheckDeviceID(id); err != nil {
		return badRequest(err)
	}
	twin, err := s.opts.Hub.Twin(r.Context(), id)
	if err != nil {
		return err
	}
	return answer(w, twin)
}

// readAgain has the doors read at once.
func (s *Server) readAgain(w http.ResponseWriter, r *http.Request) error {
	s.refreshNow(0)
	return answer(w, struct{}{})
}
