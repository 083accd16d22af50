package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/hub/credentials"
)

// newPolicy makes the command "policy" with its subcommands. They show and replace the
// keys of the hub's shared access policies. The subcommands read and write the data
// directory, so the hub need not be running.
func newPolicy(stdout io.Writer) *cobra.Command {
	var dataDir string
	var secondary bool
	names := strings.Join(credentials.PolicyNames(), ", ")
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "show and replace the keys of shared access policies",
		Long: `Show and replace the keys of the shared access policies: ` + names + `.
Each policy has the same rights as in IoT Hub. Each policy has two keys, so that
you can replace one key while clients use the other.`,
		Example: `  latchhub policy show service --data /var/lib/latchhub
  latchhub policy roll service --secondary --data /var/lib/latchhub`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("missing command; use show or roll")}
		},
	}
	cmd.PersistentFlags().StringVar(&dataDir, "data", "", "data directory of the hub")
	cmd.PersistentFlags().BoolVar(&secondary, "secondary", false, "use the policy's secondary key instead of the primary key")

	withPolicy := func(use, short string, run func(name string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: exactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			if dataDir == "" {
				return usageError{errNoDataDir}
			}
			return run(args[0])
		}}
	}
	cmd.AddCommand(
		withPolicy("show POLICY", "print the connection string of a policy", func(name string) error {
			text, err := credentials.PolicyConnectionString(dataDir, name, secondary)
			if err == nil {
				_, err = fmt.Fprintln(stdout, text)
			}
			return err
		}),
		withPolicy("roll POLICY", "replace a key of a policy; restart the hub to apply the new key", func(name string) error {
			return credentials.RollPolicyKey(dataDir, name, secondary)
		}))
	return cmd
}
