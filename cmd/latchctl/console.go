package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/console"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type consoleOptions struct {
	app     *app
	cmd     *cobra.Command
	listen  string
	refresh seconds
}

// consoleResult is a console that listens, as -o json has it.
type consoleResult struct {
	URL string `json:"url"`
}

func newConsole(a *app, run func(context.Context, *consoleOptions) error) *cobra.Command {
	if run == nil {
		run = runConsole
	}
	o := &consoleOptions{app: a, refresh: seconds(console.DefaultRefresh.Seconds())}
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serve a page on this computer to look at doors, and to lock and unlock them",
		Long: "The page is served on a loopback address until the command is interrupted; jobs\n" +
			"go on at the hub. The address that is printed opens it once, in one browser.\n" +
			"The hub is read only while the page is looked at, with at most ten queries a minute.",
		Example: "  latchctl console\n  latchctl console --listen 127.0.0.1:0 --hub north",
		Args:    named(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd = cmd
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8090", "serve the page at this loopback `ADDRESS`; port 0 is a free one")
	cmd.Flags().Var(&o.refresh, "refresh", "read the doors this often, or more seldom if there are more than 1,000")
	return cmd
}

func runConsole(ctx context.Context, o *consoleOptions) error {
	if o.refresh == 0 {
		return usagef(o.cmd, "--refresh is 0; want a time such as 10s")
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	server, err := console.Listen(o.listen, o.app.consoleOptions(client, o.refresh))
	if console.IsNotLoopback(err) {
		return usagef(o.cmd, "--listen %s: %w", o.listen, err)
	}
	if err != nil {
		return fmt.Errorf("%w; another --listen may be free, such as 127.0.0.1:0", err)
	}
	err = o.app.printOne(consoleResult{server.URL()}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, server.URL())
		return err
	})
	if err != nil {
		return err
	}
	o.app.note("open this address in a browser on this computer; it works once. Ctrl-C ends the console")
	return server.Serve(ctx)
}

// consoleOptions gives a console what the other commands do, so that it checks,
// selects, creates and judges as they do.
func (a *app) consoleOptions(client *rest.Client, refresh seconds) console.Options {
	return console.Options{
		Hub: client, HubName: client.HostName(), ConfirmAbove: a.confirmAbove, Refresh: time.Duration(refresh) * time.Second,
		Rollouts: rollout.DefaultStore(a.getenv), Now: a.now, Sleep: a.sleep,
		CheckCondition: func(where string) error {
			fault, rest := conditionFault(where)
			switch {
			case fault == "":
				return nil
			case rest == "":
				return errors.New("this box " + fault)
			}
			return fmt.Errorf("this box %s: %s", fault, rest)
		},
		Select: func(ctx context.Context, where string) ([]string, error) {
			devices, err := a.selectDevices(ctx, client, where)
			ids := make([]string, len(devices))
			for i, d := range devices {
				ids[i] = d.DeviceID
			}
			return ids, err
		},
		NewID: a.madeUpID,
		CreateJob: func(ctx context.Context, job iothub.Job) (iothub.Job, error) {
			created, _, err := a.createJob(ctx, client, job, 0)
			if tooManyJobs(err) {
				err = errors.New("nothing was scheduled: the hub has as many active jobs as it takes; try again when one has ended")
			}
			return created, err
		},
		Report: func(r watch.Report) any { return newConsoleReport(r) },
	}
}

// consoleReport is a job's result as -o json has it, with what to do about it.
type consoleReport struct {
	jobResult
	Advice []string `json:"advice"`
}

func newConsoleReport(r watch.Report) consoleReport {
	results := make([]deviceResult, len(r.Devices))
	for i, d := range r.Devices {
		results[i] = newDeviceResult(d)
	}
	return consoleReport{jobResult{r.Job, summarize(r), results}, advice(r)}
}
