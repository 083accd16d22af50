package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

// The exit statuses, which scripts rely on.
const (
	exitOK       = 0 // done; all devices succeeded
	exitFailed   = 1 // could not do it
	exitUsage    = 2 // wrong usage: nothing was sent
	exitDevices  = 3 // the job ended, with failed devices; or a device refused a method
	exitJob      = 4 // the job failed or was cancelled; a rollout was aborted
	exitTimedOut = 5 // timed out waiting; the outcome is not known
)

// outcome is an error whose text was shown already: it only carries a status.
type outcome int

func (o outcome) Error() string { return fmt.Sprintf("exit status %d", int(o)) }

// usageError is a command that cannot be understood.
type usageError struct {
	command string // for the hint; may be empty
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// unknownOutcome is an error after which what was asked for may have been done.
type unknownOutcome struct{ err error }

func (e *unknownOutcome) Error() string { return e.err.Error() }
func (e *unknownOutcome) Unwrap() error { return e.err }

// usagef makes a usage error of a command.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// report shows err on one line and returns the status that it stands for. It is
// the only place that decides on either.
func (a *app) report(err error) int {
	var (
		shown   outcome
		usage   *usageError
		hub     *conn.UsageError
		unknown *unknownOutcome
		refusal *iothub.Error
	)
	hint := ""
	status := exitFailed
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &shown):
		return int(shown)
	case errors.As(err, &usage):
		status = exitUsage
		if usage.command != "" {
			hint = "; see '" + usage.command + " --help'"
		}
	case errors.As(err, &hub):
		status = exitUsage
	case errors.Is(err, watch.ErrTimeout), errors.As(err, &unknown):
		status = exitTimedOut
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	case errors.As(err, &refusal):
		hint = a.refusalHint(refusal)
	}
	a.note("%s%s", err, hint)
	return status
}

// refusalHint says what to do about a refusal by the hub, where its own words do not.
func (a *app) refusalHint(e *iothub.Error) string {
	switch {
	case e.Status == 401 && a.entra:
		return "; is the login of the hub's tenant (az account show), and has it a role at the hub?"
	case e.Status == 403 && a.entra && e.Code != iothub.CodeQuotaExceeded && e.Code != iothub.CodeJobQuotaExceeded:
		return "; the login needs a role at the hub, such as IoT Hub Data Contributor"
	case e.Status == 401:
		return "; is this the policy's key, and is this computer's clock right?"
	case e.Status == 403 && e.Code != iothub.CodeQuotaExceeded && e.Code != iothub.CodeJobQuotaExceeded:
		return "; the shared access policy in the connection string may not do this"
	case e.Status == 429 && e.Code != iothub.CodeTooManyJobs:
		return "; the hub is busy, try again later"
	case e.Status == 412:
		return "; it was changed in between, look at it again"
	}
	return ""
}

// judged returns the status of a job that has ended.
func judged(r watch.Report) error {
	switch {
	case r.Job.Status == iothub.JobFailed || r.Job.Status == iothub.JobCancelled:
		return outcome(exitJob)
	case r.Total() == 0:
		return outcome(exitFailed)
	case r.Succeeded() < r.Total():
		return outcome(exitDevices)
	}
	return nil
}
