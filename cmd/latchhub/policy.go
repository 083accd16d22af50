package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/hub/credentials"
)

// newPolicy makes the commands for shared access policies. They work on the data
// directory alone.
func newPolicy(stdout io.Writer) *cobra.Command {
	var data string
	var secondary bool
	names := strings.Join(credentials.PolicyNames(), ", ")
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "show and change the keys of services",
		Long: `Show and change the keys of the shared access policies: ` + names + `.
Each has the rights that it has in IoT Hub, and two keys, so that one can be
changed while the other is in use.`,
		Example: `  latchhub policy show service --data /var/lib/latchhub
  latchhub policy roll service --secondary --data /var/lib/latchhub`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("say what to do: show or roll")}
		},
	}
	cmd.PersistentFlags().StringVar(&data, "data", "", "the hub's data directory")
	cmd.PersistentFlags().BoolVar(&secondary, "secondary", false, "the secondary key, not the primary")
	one := func(use, short string, run func(name string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: exactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
			if data == "" {
				return usageError{errors.New("--data is missing: the hub's data directory")}
			}
			return run(args[0])
		}}
	}
	cmd.AddCommand(
		one("show POLICY", "print the connection string of a policy", func(name string) error {
			text, err := credentials.PolicyConnectionString(data, name, secondary)
			if err == nil {
				_, err = fmt.Fprintln(stdout, text)
			}
			return err
		}),
		one("roll POLICY", "make a new key, which counts from the hub's next start", func(name string) error {
			return credentials.RollPolicyKey(data, name, secondary)
		}))
	return cmd
}
