package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

const (
	// completionLimit bounds how long a shell waits for the hub.
	completionLimit = 3 * time.Second
	// completionCount is how many ids are offered at most.
	completionCount = 100
)

// flagValues are the values of flags that take one of a few.
var flagValues = map[string][]cobra.Completion{
	"output": {"table", "json", "jsonl"},
	"status": jobStatuses,
	"type":   {"method", "twin"},
}

// complete has the shell complete names of hubs from the config file, ids of
// rollouts from their folder, and ids of jobs and devices from the hub.
func (a *app) complete(root *cobra.Command) error {
	for _, cmd := range root.Commands() {
		if err := a.complete(cmd); err != nil {
			return err
		}
	}
	_, argument, _ := strings.Cut(root.Use, " ")
	switch {
	case root.HasSubCommands():
	case argument == "ID" && root.Parent() != nil && root.Parent().Name() == "job":
		root.ValidArgsFunction = a.completeIDs(a.jobIDs, false)
	case argument == "ID" && root.Parent() != nil && root.Parent().Name() == "rollout":
		root.ValidArgsFunction = a.completeRollouts
	case strings.HasSuffix(argument, "ID..."):
		root.ValidArgsFunction = a.completeIDs(a.deviceIDs, true)
	case strings.HasPrefix(argument, "ID") && root.Name() != "create":
		root.ValidArgsFunction = a.completeIDs(a.deviceIDs, false)
	default:
		root.ValidArgsFunction = cobra.NoFileCompletions
	}
	for name, values := range flagValues {
		if root.LocalFlags().Lookup(name) == nil {
			continue
		}
		if err := root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			return err
		}
	}
	if root.HasParent() {
		return nil
	}
	return root.RegisterFlagCompletionFunc("hub", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		config, err := conn.LoadConfig(a.getenv)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return config.Names(), cobra.ShellCompDirectiveNoFileComp
	})
}

// completeIDs asks the hub for ids that begin as what was typed.
func (a *app) completeIDs(ask func(context.Context, *rest.Client, string) ([]string, error), many bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
		defer cancel()
		ids, err := ask(ctx, client, typed)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRollouts offers the rollouts that there are on this computer.
func (a *app) completeRollouts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, err := a.rollouts()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids, err := store.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) jobIDs(ctx context.Context, client *rest.Client, typed string) ([]string, error) {
	var ids []string
	for job, err := range client.Jobs(ctx, rest.JobFilter{}) {
		if err != nil || len(ids) == completionCount {
			return ids, err
		}
		if strings.HasPrefix(job.JobID, typed) {
			ids = append(ids, job.JobID)
		}
	}
	return ids, nil
}

func (a *app) deviceIDs(ctx context.Context, client *rest.Client, typed string) ([]string, error) {
	where := "*"
	if typed != "" {
		where = "STARTSWITH(deviceId, " + rest.Quote(typed) + ")"
	}
	var ids []string
	for row, err := range client.Query(ctx, selectText("deviceId, connectionState", where)) {
		if err != nil || len(ids) == completionCount {
			return ids, err
		}
		var d selected
		if err := json.Unmarshal(row, &d); err != nil {
			return ids, err
		}
		ids = append(ids, d.DeviceID)
	}
	return ids, nil
}
