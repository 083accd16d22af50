package main

import (
	"context"
	"fmt"
	"io"

	"github.com/latchd/latchd/cmd/latchctl/console"
	"github.com/latchd/latchd/cmd/latchctl/rollout"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type consoleOptions struct {
	app     *app
	listen  string
	refresh seconds
}

// consoleResult holds the address of a console, as -o json prints it.
type consoleResult struct {
	URL string `json:"url"`
}

func newConsole(a *app) *cobra.Command {
	o := &consoleOptions{app: a, refresh: seconds(console.DefaultRefresh.Seconds())}
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serve a web page that shows, locks and unlocks doors",
		Long: "The console listens on a loopback address until you press Ctrl-C. Open the printed\n" +
			"address in a browser on this computer. The address works once, in one browser.\n" +
			"While the page is visible, the console sends at most ten queries per minute to the\n" +
			"hub. Jobs that the page has started continue when the console ends. A rollout that\n" +
			"the page has resumed stops then, and can be resumed again.",
		Example: "  latchctl console\n  latchctl console --listen 127.0.0.1:0 --hub north",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8090", "listen on this loopback `ADDRESS`; port 0 chooses a free port")
	cmd.Flags().Var(&o.refresh, "refresh", "read the doors at this interval, or less often for more than 1,000 doors")

	return cmd
}

func (o *consoleOptions) run(ctx context.Context) error {
	if o.refresh == 0 {
		return usagef("--refresh is 0; want a duration such as 10s")
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	server, err := console.Listen(o.listen, o.app.newConsoleOptions(client, o.refresh))
	if console.IsNotLoopback(err) {
		return usagef("--listen %s: %w", o.listen, err)
	}
	if err != nil {
		return fmt.Errorf("%w; try another address, such as --listen 127.0.0.1:0", err)
	}

	err = o.app.printOne(consoleResult{server.URL()}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, server.URL())
		return err
	})
	if err != nil {
		return err
	}
	o.app.note("open this address in a browser on this computer; the address works once. Press Ctrl-C to end the console")

	return server.Serve(ctx)
}

// newConsoleOptions connects the console to the hub that the command has chosen.
func (a *app) newConsoleOptions(client *rest.Client, refresh seconds) console.Options {
	return console.Options{
		Hub:      client,
		Fleet:    a.fleetOf(client),
		Refresh:  refresh.duration(),
		Rollouts: rollout.DefaultStore(a.getenv),
	}
}
