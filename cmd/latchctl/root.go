package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// run carries out a command line and returns the exit status.
func run(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	return a.report(root.ExecuteContext(ctx))
}

// newRoot builds the tree of commands.
func newRoot(a *app) *cobra.Command {
	root := group("latchctl", "Lock, unlock and look after doors by an IoT Hub",
		`  export LATCHCTL_HUB_FILE=hub.connection-string
  latchctl lock --where "tags.building = '43'"
  latchctl unlock front-door --for 30s
  latchctl query "SELECT * FROM devices WHERE properties.reported.lock.position != 'locked'"`,
		newLock(a, nil), newUnlock(a, nil),
		group("job", "Schedule, watch, cancel and retry jobs", "  latchctl job list",
			group("schedule", "Schedule a job on many devices", `  latchctl job schedule method lockDoor --where "tags.building = '43'" --start +10m`,
				newJobScheduleMethod(a, nil), newJobScheduleTwin(a, nil)),
			newJobList(a, nil), newJobShow(a, nil), newJobWatch(a, nil), newJobCancel(a, nil), newJobRetry(a, nil)),
		group("rollout", "Lead a method or a change through a fleet in waves, and stop where too many fail", "  latchctl rollout list",
			newRolloutMethod(a, nil), newRolloutTwin(a, nil),
			newRolloutList(a, nil), newRolloutShow(a, nil), newRolloutResume(a, nil), newRolloutAbort(a, nil)),
		group("device", "Create, list, show and delete devices", "  latchctl device create front-door",
			newDeviceCreate(a, nil), newDeviceList(a, nil), newDeviceShow(a, nil), newDeviceDelete(a, nil), newDeviceConnectionString(a, nil)),
		group("twin", "Show and change a device's twin", "  latchctl twin show front-door",
			newTwinShow(a, nil), newTwinUpdate(a, nil)),
		group("method", "Call a direct method of a device", "  latchctl method invoke front-door getStatus",
			newMethodInvoke(a, nil)),
		newQuery(a, nil),
		newConsole(a, nil),
		newDoctor(a, nil),
		newVersion(a, nil),
	)
	root.AddCommand(newTopics()...)
	root.Long = "Latchctl schedules and watches jobs on the devices of an IoT Hub, and says what\n" +
		"became of each door. Its exit status tells the outcome:\n" +
		"  0 all devices succeeded       3 the job ended with failed devices\n" +
		"  1 could not do it             4 it failed, was cancelled or aborted\n" +
		"  2 wrong usage                 5 timed out waiting"
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(strings.ReplaceAll(usageTemplate, "WIDTH", fmt.Sprint(a.outWidth())))
	root.SetHelpTemplate(helpTemplate)

	flags := root.PersistentFlags()
	flags.StringVar(&a.flags.HubFile, "hub-file", "", "read the hub's connection string from `FILE` (environment: LATCHCTL_HUB_FILE)")
	flags.StringVar(&a.flags.HubName, "hub-name", "", "use the hub of this `HOST` name with your Entra ID login, as by 'az login' (LATCHCTL_HUB_NAME)")
	flags.StringVar(&a.flags.Hub, "hub", "", "use the hub `NAME` of the config file")
	flags.StringVar(&a.flags.Endpoint, "endpoint", "", "reach the hub at `https://HOST:PORT` instead of its name (LATCHCTL_ENDPOINT)")
	flags.StringVar(&a.flags.CAFile, "ca-file", "", "trust the authorities in `FILE` (PEM) for the hub's certificate (LATCHCTL_CA_FILE)")
	flags.StringVarP(&a.format, "output", "o", "table", "print `FORMAT`: table, json or jsonl")
	flags.BoolVar(&a.trace, "trace", false, "show each request and answer, without keys and signatures")
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		switch a.format {
		case "table", "json", "jsonl":
			return nil
		}
		return usagef(cmd, "-o %s: want table, json or jsonl", a.format)
	}
	if err := a.complete(root); err != nil {
		panic(err) // the flag --hub is not there
	}
	return root
}

// group is a command that only holds others.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			text := fmt.Sprintf("unknown command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				text += " (did you mean " + strings.Join(near, " or ") + "?)"
			}
			return usagef(cmd, "%w", errors.New(text))
		},
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(commands...)
	return cmd
}

// flagError is a usage error that names the flag that was meant, as far as that
// can be told.
func flagError(cmd *cobra.Command, err error) error {
	typed, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return usagef(cmd, "%w", err)
	}
	var near []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && distance(typed, f.Name) <= 2 {
			near = append(near, "--"+f.Name)
		}
	})
	if len(near) == 0 {
		return usagef(cmd, "%w", err)
	}
	return usagef(cmd, "%w (did you mean %s?)", err, strings.Join(near, " or "))
}

// distance is how many letters are to be put in, taken out or replaced to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// named wants exactly the arguments that are named.
func named(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef(cmd, "%s is missing", names[len(args)])
		case len(args) > len(names):
			return usagef(cmd, "there is no place for the argument %q", args[len(names)])
		}
		for i, arg := range args {
			if arg == "" {
				return usagef(cmd, "%s is empty", names[i])
			}
		}
		return nil
	}
}

// The help starts from an example: what a technician copies.
const helpTemplate = `{{with .Short}}{{.}}.

{{end}}{{if .HasExample}}Example:
{{.Example}}

{{end}}{{with .Long}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .Runnable}}{{.UsageString}}{{end}}`

// WIDTH is the terminal's.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}
Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasHelpSubCommands}}
More help:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .CommandPath .CommandPathPadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsagesWrapped WIDTH | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of all commands:
{{.InheritedFlags.FlagUsagesWrapped WIDTH | trimTrailingWhitespaces}}
{{end}}`
