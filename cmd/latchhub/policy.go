package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/hub/credentials"
)

// newPolicy makes the command "policy" with its subcommands. They show and replace the
// keys of the hub's shared access policies in the data directory, so that the hub need not
// be running. For the policies of persons, they send requests to the running hub.
func newPolicy(stdout io.Writer) *cobra.Command {
	var c ownerClient
	var secondary bool
	names := strings.Join(credentials.PolicyNames(), ", ")
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "show and replace the keys of shared access policies, and revoke a person's access",
		Long: `Show and replace the keys of the shared access policies: ` + names + `.
Each policy has the same rights as in IoT Hub. Each policy has two keys, so that
you can replace one key while clients use the other.

Each person with a code from 'latchhub invite person' has a policy of their own.
The running hub lists and revokes these policies, without a restart.`,
		Example: `  latchhub policy show service --data /var/lib/latchhub
  latchhub policy roll service --secondary --data /var/lib/latchhub
  latchhub policy revoke anna`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("missing command; use show, roll, list or revoke")}
		},
	}
	c.addFlags(cmd)
	cmd.PersistentFlags().BoolVar(&secondary, "secondary", false, "use the policy's secondary key instead of the primary key")

	withPolicy := func(use, short string, run func(name string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: exactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			if c.dataDir == "" {
				return usageError{errNoDataDir}
			}
			return run(args[0])
		}}
	}
	withHub := func(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return run(cmd.Context(), args)
		}}
	}

	cmd.AddCommand(
		withPolicy("show POLICY", "print the connection string of a policy", func(name string) error {
			text, err := credentials.PolicyConnectionString(c.dataDir, name, secondary)
			if err == nil {
				_, err = fmt.Fprintln(stdout, text)
			}
			return err
		}),
		withPolicy("roll POLICY", "replace a key of a policy; restart the hub to apply the new key", func(name string) error {
			return credentials.RollPolicyKey(c.dataDir, name, secondary)
		}),
		withHub("list", "list the persons who have access to the running hub", noArgs,
			func(ctx context.Context, _ []string) error { return c.listPeople(ctx, stdout) }),
		withHub("revoke NAME", "end a person's access at once", exactArgs(1),
			func(ctx context.Context, args []string) error { return c.revoke(ctx, args[0]) }))
	return cmd
}
