package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// Exit statuses of latchctl. Scripts rely on their values.
const (
	exitOK       = 0 // the command succeeded, on all devices
	exitFailed   = 1 // the command could not be carried out
	exitUsage    = 2 // the command line is wrong; nothing was sent
	exitDevices  = 3 // a job ended with failed or pending devices, or a device refused a method
	exitJob      = 4 // the job failed or was cancelled, or the rollout was aborted
	exitTimedOut = 5 // latchctl stopped waiting; the outcome is unknown
)

// exitStatus is an error that carries only an exit status. The command that returns it
// has already printed the result.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a mistake in the command line.
type usageError struct {
	err  error
	help bool // true if the command's --help explains how to correct the mistake
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usage error. report adds the name of the command whose --help
// explains how to correct the mistake.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), true}
}

// report prints a command's error on one line and returns its exit status. command is
// the name of the command, such as "latchctl lock". No other function prints the error
// of a command or chooses its exit status.
func (a *app) report(command string, err error) int {
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}

	usage, isUsage := errors.AsType[*usageError](err)
	other, isOther := errors.AsType[*rest.OtherHubError](err)
	refusal, isRefusal := errors.AsType[*iothub.Error](err)

	hint := ""
	status := exitFailed
	switch {
	case isUsage:
		status = exitUsage
		if usage.help {
			hint = "; see '" + command + " --help'"
		}
	case isError[*conn.UsageError](err):
		status = exitUsage
	case errors.Is(err, watch.ErrTimeout), isError[*fleet.UnknownOutcome](err):
		status = exitTimedOut
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	case isOther && other.Restored():
		hint = "; start latchctl again"
	case isOther:
		hint = "; " + otherHubRemedy
	case isRefusal:
		if remedy := a.remedy(refusal); remedy != "" {
			hint = "; " + remedy
		}
	}

	a.note("%s%s", err, hint)
	return status
}

// isError reports whether err is or wraps an error of the type E.
func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// otherHubRemedy is the remedy if another hub answers than the one that the config file
// names.
const otherHubRemedy = "choose another hub, or correct the hub's id in the config file"

// remedy returns what the user should do about a request that the hub refused, or "" if
// the hub's own message suffices.
func (a *app) remedy(e *iothub.Error) string {
	quota := e.Code == iothub.CodeQuotaExceeded || e.Code == iothub.CodeJobQuotaExceeded

	switch {
	case e.Status == 401 && a.entra:
		return "log in to the hub's tenant (see 'az account show') with an account that has a role at the hub"
	case e.Status == 403 && a.entra && !quota:
		return "give the account a role at the hub, such as IoT Hub Data Contributor"
	case e.Status == 401:
		return "check the key in the connection string, and this computer's clock"
	case e.Status == 403 && !quota:
		return "use a connection string of a shared access policy that has this right"
	case e.Status == 429 && e.Code != iothub.CodeTooManyJobs:
		return "the hub is busy: try again later"
	case e.Code == iothub.CodePreconditionFailed:
		return "somebody changed the device after you read its etag: read it again, then repeat the command"
	}

	return ""
}

// jobExitStatus returns the exit status of a job that has ended, as an error. It
// returns nil if all devices of the job succeeded.
func jobExitStatus(r watch.Report) error {
	switch {
	case r.Job.Status == iothub.JobFailed || r.Job.Status == iothub.JobCancelled:
		return exitStatus(exitJob)
	case r.Total() == 0:
		return exitStatus(exitFailed)
	case r.Succeeded() < r.Total():
		return exitStatus(exitDevices)
	}

	return nil
}
