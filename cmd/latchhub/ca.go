package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// newCA makes the commands for the authorities that vouch for devices. They
// speak to the running hub with the owner's rights.
func newCA(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var c ownerClient
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "say which authorities vouch for devices' certificates",
		Long: `Say which certificate authorities vouch for devices. A device whose
authentication is of the type certificateAuthority logs in by a certificate that
one of them has signed, itself or through others that the device shows too, and
whose subject has the device's id as its common name.

A removed authority counts for nothing at once: the links of all devices that
log in by one are ended, and those that another vouches for come back.`,
		Example: `  latchhub ca add site site-root.pem --data /var/lib/latchhub
  latchhub ca list --data /var/lib/latchhub
  latchhub ca remove site --data /var/lib/latchhub`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("say what to do: add, list or remove")}
		},
	}
	c.addFlags(cmd)
	sub := func(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return run(cmd.Context(), args)
		}}
	}
	cmd.AddCommand(
		sub("add NAME FILE", "trust the authority whose certificate is in FILE (- is standard input)", exactArgs(2),
			func(ctx context.Context, args []string) error { return c.addAuthority(ctx, stdin, args[0], args[1]) }),
		sub("list", "print the authorities", noArgs,
			func(ctx context.Context, _ []string) error { return c.listAuthorities(ctx, stdout) }),
		sub("remove NAME", "trust an authority no more, and end the links of its devices", exactArgs(1),
			func(ctx context.Context, args []string) error {
				return c.do(ctx, http.MethodDelete, "/certificates/"+url.PathEscape(args[0]), "", nil, nil)
			}))
	return cmd
}

func (c *ownerClient) addAuthority(ctx context.Context, stdin io.Reader, name, file string) error {
	text, err := readInput(stdin, file)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"properties": map[string]string{"certificate": string(text)}})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPut, "/certificates/"+url.PathEscape(name), "", body, nil)
}

func (c *ownerClient) listAuthorities(ctx context.Context, stdout io.Writer) error {
	var list struct {
		Value []struct {
			Name       string
			Properties struct {
				Subject, Thumbprint string
				Expiry              time.Time
			}
		}
	}
	if err := c.do(ctx, http.MethodGet, "/certificates", "", nil, &list); err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tUNTIL\tSUBJECT\tSHA-256")
	for _, a := range list.Value {
		p := a.Properties
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.Name, p.Expiry.Format(time.DateOnly), p.Subject, p.Thumbprint)
	}
	return table.Flush()
}

// readInput reads the file, or standard input if it is called "-".
func readInput(stdin io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}
