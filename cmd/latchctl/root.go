package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// run executes a command line and returns the exit status.
func run(ctx context.Context, a *app, args []string) int {
	root := newRoot(a)
	completeTopics(root)
	root.SetArgs(args)

	cmd, err := root.ExecuteContextC(ctx)
	return a.report(cmd.CommandPath(), err)
}

// newRoot builds the tree of commands.
func newRoot(a *app) *cobra.Command {
	root := newGroup("latchctl", "Lock, unlock and manage doors through an IoT hub",
		`  latchctl hub add
  latchctl doors
  latchctl lock --where "properties.desired.building = '43'"
  latchctl unlock front-door --for 30s
  latchctl query "SELECT * FROM devices WHERE properties.reported.lock.position != 'locked'"`,
		newDoors(a), newEvents(a),
		newLock(a), newUnlock(a),
		newGroup("lockdown", "Lock doors down, so that nobody can unlock them from outside, or end the lockdown", `  latchctl lockdown on --where "properties.desired.building = '43'"`,
			newLockdown(a, true), newLockdown(a, false)),
		newGroup("job", "Schedule, watch, cancel and retry jobs", "  latchctl job list",
			newGroup("schedule", "Schedule a job on many devices", `  latchctl job schedule method lockDoor --where "properties.desired.building = '43'" --start +10m`,
				newJobScheduleMethod(a), newJobScheduleTwin(a)),
			newJobList(a), newJobShow(a), newJobWatch(a), newJobCancel(a), newJobRetry(a)),
		newGroup("rollout", "Run a method or a twin change on a fleet in waves, and abort if too many devices fail", "  latchctl rollout list",
			newRolloutMethod(a), newRolloutTwin(a),
			newRolloutList(a), newRolloutShow(a), newRolloutResume(a), newRolloutAbort(a)),
		newGroup("device", "Create, list, show and delete devices", "  latchctl device create front-door",
			newDeviceCreate(a), newDeviceList(a), newDeviceShow(a), newDeviceDelete(a), newDeviceConnectionString(a)),
		newGroup("twin", "Show and change a device's twin", "  latchctl twin show front-door",
			newTwinShow(a), newTwinUpdate(a)),
		newGroup("method", "Call a direct method of a device", "  latchctl method invoke front-door getStatus",
			newMethodInvoke(a)),
		newGroup("hub", "Add, list, choose and remove the hubs of the config file, and print tokens", "  latchctl hub add",
			newHubAdd(a), newHubList(a), newHubUse(a), newHubRemove(a), newHubToken(a)),
		newQuery(a),
		newConsole(a),
		newDoctor(a),
		newVersion(a),
	)
	root.AddCommand(newTopics()...)

	root.Long = "Latchctl runs jobs on the devices of an IoT hub and shows the result of every door.\n" +
		"Exit status:\n" +
		"  0 all devices succeeded       3 the job ended with failed or pending devices\n" +
		"  1 the command failed          4 the job failed, was cancelled or aborted\n" +
		"  2 wrong command line          5 latchctl stopped waiting"
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(strings.ReplaceAll(usageTemplate, "WIDTH", fmt.Sprint(a.outWidth())))
	root.SetHelpTemplate(helpTemplate)

	a.addGlobalFlags(root)
	if err := a.addCompletions(root); err != nil {
		panic(err) // flagValues names a flag that does not exist
	}

	return root
}

// addGlobalFlags adds the flags that all commands have, and checks the value of
// --output.
func (a *app) addGlobalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.flags.HubFile, "hub-file", "", "read the hub's connection string from `FILE` (environment: LATCHCTL_HUB_FILE)")
	flags.StringVar(&a.flags.HubName, "hub-name", "", "use the hub with this `HOST` name and log in by Entra ID, for example with 'az login' (LATCHCTL_HUB_NAME)")
	flags.StringVar(&a.flags.Hub, "hub", "", "use the hub `NAME` of the config file")
	flags.StringVar(&a.flags.Endpoint, "endpoint", "", "connect to `https://HOST:PORT` instead of the hub's name (LATCHCTL_ENDPOINT)")
	flags.StringVar(&a.flags.CAFile, "ca-file", "", "trust the CA certificates in `FILE` (PEM) to verify the hub (LATCHCTL_CA_FILE)")
	flags.StringVarP(&a.format, "output", "o", "table", "print `FORMAT`: table, json or jsonl")
	flags.BoolVar(&a.trace, "trace", false, "print each request and answer, without keys and signatures")

	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		switch a.format {
		case "table", "json", "jsonl":
			return nil
		}
		return usagef("-o %s: want table, json or jsonl", a.format)
	}
}

// newGroup returns a command that has only subcommands and does nothing itself.
func newGroup(use, short, example string, commands ...*cobra.Command) *cobra.Command {
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
			return usagef("%s", text)
		},
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(commands...)

	return cmd
}

// flagError returns the usage error for a flag that the library cobra rejects. For an
// unknown flag, the error suggests flags with similar names.
func flagError(cmd *cobra.Command, err error) error {
	typed, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return usagef("%w", err)
	}

	var near []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && editDistance(typed, f.Name) <= 2 {
			near = append(near, "--"+f.Name)
		}
	})
	if len(near) == 0 {
		return usagef("%w", err)
	}

	return usagef("%w (did you mean %s?)", err, strings.Join(near, " or "))
}

// editDistance returns the Levenshtein distance of a and b: the number of bytes to
// insert, delete or replace in order to turn a into b.
func editDistance(a, b string) int {
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

// exactArgs returns a function that checks a command's arguments: exactly one non-empty
// argument for each of the given names.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing", names[len(args)])
		case len(args) > len(names):
			return usagef("unexpected argument %q", args[len(names)])
		}

		for i, arg := range args {
			if arg == "" {
				return usagef("%s is empty", names[i])
			}
		}

		return nil
	}
}

// helpTemplate is the layout of help texts. It starts with an example, which a
// technician can copy.
const helpTemplate = `{{with .Short}}{{.}}.

{{end}}{{if .HasExample}}Example:
{{.Example}}

{{end}}{{with .Long}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .Runnable}}{{.UsageString}}{{end}}`

// usageTemplate is the layout of usage texts. The terminal's width replaces WIDTH in
// it.
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
