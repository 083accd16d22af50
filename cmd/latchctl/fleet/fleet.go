// Package fleet does a technician's work on the devices of a hub. The commands of
// latchctl, its console and its rollouts use it, so that all three choose devices, create
// jobs and judge results in the same way. Fill in a [Fleet]; then use [Fleet.Find] and
// [Fleet.Approve] to choose devices, [Plan] to describe the jobs, and [Fleet.Run] or
// [Fleet.Create] to send them.
//
// Guarantees:
//   - A condition that the user has confirmed must still select the same devices when
//     the job is created.
//   - A method is sent once. Fleet repeats only requests that are safe to repeat.
//   - A device has succeeded only if its row says so (see package watch).
//   - The package prints nothing: it returns values, and calls the functions of Fleet.
package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// Hub is the part of the service API that this package uses. [*rest.Client] implements
// Hub.
type Hub interface {
	watch.Hub
	Query(ctx context.Context, text string) iter.Seq2[json.RawMessage, error]
	CreateJob(ctx context.Context, job iothub.Job) (iothub.Job, error)
	HostName() string
	HubID(ctx context.Context) (iothub.HubID, error)
	CancelJob(ctx context.Context, id string) (iothub.Job, error)
}

var _ Hub = (*rest.Client)(nil)

// Fleet is the devices of a hub, as a technician works on them.
type Fleet struct {
	Hub          Hub
	HubName      string // what the user calls the hub: its name in the config file, or its address
	HubFlags     string // flags that choose the hub again, such as "--hub north"; empty if the user gave none
	ConfirmAbove int    // Approve asks the user above this number of devices
	Now          func() time.Time
	Sleep        func(context.Context, time.Duration) error
	Local        *time.Location
	NewID        func() string // returns random letters and digits

	// By returns the technician's login, which lock and unlock tell the doors. It returns
	// "" if the doors must not be told.
	By func(context.Context) string
	// Note receives messages for the user.
	Note func(format string, args ...any)
	// Confirm asks the user whether to do an action, such as "unlock 2 doors". It returns
	// an error unless the answer is yes.
	Confirm func(ctx context.Context, action string) error
	// Progress starts to display the progress of a job. It returns a function that shows
	// the job's current state, and a function that ends the display.
	Progress func() (show func(iothub.Job), end func())
}

// Command returns a command of latchctl for the user to run on the same hub. name is the
// command, such as "job watch", and id its argument.
func (f *Fleet) Command(name, id string) string {
	return strings.TrimSpace("latchctl " + name + " " + words.ShellArgument(id) + " " + f.HubFlags)
}

// Retry repeats a request while the hub cannot accept it; see [watch.Retry].
func (f *Fleet) Retry(ctx context.Context, p watch.Patience, do func() error) error {
	r := watch.Retry{Patience: p, Now: f.Now, Sleep: f.Sleep, Note: func(text string) { f.Note("%s", text) }}
	return r.Do(ctx, do)
}

// UnknownOutcome means that a request was sent and not answered. The hub may have
// executed it.
type UnknownOutcome struct{ Err error }

func (e *UnknownOutcome) Error() string { return e.Err.Error() }
func (e *UnknownOutcome) Unwrap() error { return e.Err }

// HasStatus reports whether err is the hub's answer with this HTTP status.
func HasStatus(err error, status int) bool {
	refusal, ok := errors.AsType[*iothub.Error](err)
	return ok && refusal.Status == status
}
