package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/cmd/latchctl/events"
	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

const (
	// completionTimeout limits how long a shell completion waits for the hub.
	completionTimeout = 3 * time.Second
	// maxCompletions limits the number of ids that a shell completion offers.
	maxCompletions = 100
)

// flagValues maps each flag that has a fixed set of values to these values.
var flagValues = map[string][]cobra.Completion{
	"output": {"table", "json", "jsonl"},
	"status": jobStatuses,
	"type":   {"method", "twin"},
}

// addCompletions registers the shell completions of cmd and its subcommands. Names of
// hubs come from the config file, ids of rollouts from their files, and ids of jobs and
// devices from the hub.
func (a *app) addCompletions(cmd *cobra.Command) error {
	for _, sub := range cmd.Commands() {
		if err := a.addCompletions(sub); err != nil {
			return err
		}
	}

	if !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = a.argumentCompletion(cmd)
	}
	for _, name := range []string{"where", "require"} {
		if cmd.LocalFlags().Lookup(name) == nil {
			continue
		}
		if err := cmd.RegisterFlagCompletionFunc(name, completeCondition); err != nil {
			return err
		}
	}
	for name, values := range flagValues {
		if cmd.LocalFlags().Lookup(name) == nil {
			continue
		}
		if cmd.Name() == "events" && name == "type" {
			values = events.Types
		}
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			return err
		}
	}
	if cmd.HasParent() {
		return nil
	}

	return cmd.RegisterFlagCompletionFunc("hub", a.completeHubs)
}

// offered returns the ids that latchctl offers to the shell. A shell inserts an offered id
// without quotes, and a further completion evaluates the line. Other people choose ids on
// the hub, so an id such as x$(reboot) must not be offered.
func offered(ids []string) []string {
	return slices.DeleteFunc(ids, func(id string) bool { return !words.IsPlain(id) })
}

// argumentCompletion returns the function that completes the arguments of a command.
// The command's usage line and parent command tell whether an argument is the id of a
// device, a job or a rollout.
func (a *app) argumentCompletion(cmd *cobra.Command) cobra.CompletionFunc {
	parent := ""
	if cmd.Parent() != nil {
		parent = cmd.Parent().Name()
	}

	_, arguments, _ := strings.Cut(cmd.Use, " ")
	switch {
	case arguments == "ID" && parent == "job":
		return a.completeIDs(a.matchingJobs, false)
	case arguments == "NAME" && parent == "hub":
		return a.completeHubs
	case arguments == "ID" && parent == "rollout":
		return a.completeRollouts
	case strings.HasSuffix(strings.TrimSuffix(arguments, "]"), "ID..."):
		return a.completeIDs(a.matchingDevices, true)
	case arguments == "ID METHOD" && parent == "method":
		return a.completeMethodCall
	case strings.HasPrefix(arguments, "METHOD"):
		return completeMethods
	case strings.HasPrefix(arguments, "ID") && cmd.Name() != "create":
		return a.completeIDs(a.matchingDevices, false)
	}

	return cobra.NoFileCompletions
}

// completeIDs returns a completion function for ids from the hub. The parameter list is
// a function that returns the ids beginning with the typed text. If many is false, only
// the first argument is completed.
func (a *app) completeIDs(list func(context.Context, *rest.Client, string) ([]string, error), many bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}

		ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
		defer cancel()
		ids, err := list(ctx, client, typed)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}

		return offered(ids), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeHubs completes the names of the hubs in the config file.
func (a *app) completeHubs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	config, err := conn.LoadConfig(a.getenv)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	return offered(config.Names()), cobra.ShellCompDirectiveNoFileComp
}

// completeRollouts completes the ids of the rollouts that were started on this
// computer.
func (a *app) completeRollouts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, err := a.rollouts()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	ids, err := store.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	return offered(ids), cobra.ShellCompDirectiveNoFileComp
}

// matchingJobs returns the ids of jobs on the hub. It returns only ids that begin with
// the typed text.
func (a *app) matchingJobs(ctx context.Context, client *rest.Client, typed string) ([]string, error) {
	var ids []string
	for job, err := range client.Jobs(ctx, rest.JobFilter{}) {
		if err != nil || len(ids) == maxCompletions {
			return ids, err
		}
		if strings.HasPrefix(job.JobID, typed) {
			ids = append(ids, job.JobID)
		}
	}

	return ids, nil
}

// matchingDevices returns the ids of devices on the hub. It returns only ids that begin
// with the typed text.
func (a *app) matchingDevices(ctx context.Context, client *rest.Client, typed string) ([]string, error) {
	where := "*"
	if typed != "" {
		where = "STARTSWITH(deviceId, " + rest.Quote(typed) + ")"
	}

	var ids []string
	for row, err := range client.Query(ctx, fleet.QueryText("deviceId, connectionState", where)) {
		if err != nil || len(ids) == maxCompletions {
			return ids, err
		}
		var d fleet.Device
		if err := json.Unmarshal(row, &d); err != nil {
			return ids, err
		}
		ids = append(ids, d.DeviceID)
	}

	return ids, nil
}
