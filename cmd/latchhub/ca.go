package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/termtext"
	"github.com/latchd/latchd/transport/textfile"
)

// newCA makes the command "ca" with its subcommands. They manage the CAs that the hub
// trusts to sign device certificates. The subcommands send requests to the running hub.
func newCA(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var c ownerClient
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "manage the certificate authorities that sign device certificates",
		Long: `Manage the certificate authorities (CAs) that the hub trusts to sign device
certificates.

A device with the authentication type certificateAuthority logs in with a
certificate whose common name is the device's id. One of these CAs must have
signed the certificate, either directly or through intermediate certificates
that the device also sends.

Removing a CA disconnects all devices that log in with a CA-signed certificate.
A device whose certificate another trusted CA has signed can connect again.`,
		Example: `  latchhub ca add site site-root.pem --data /var/lib/latchhub
  latchhub ca list --data /var/lib/latchhub
  latchhub ca remove site --data /var/lib/latchhub`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("missing command; use add, list or remove")}
		},
	}
	c.addFlags(cmd)

	withHub := func(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return run(cmd.Context(), args)
		}}
	}
	cmd.AddCommand(
		withHub("add NAME FILE", "trust the CA whose certificate is in FILE (- reads standard input)", exactArgs(2),
			func(ctx context.Context, args []string) error { return c.addAuthority(ctx, stdin, args[0], args[1]) }),
		withHub("list", "list the trusted CAs", noArgs,
			func(ctx context.Context, _ []string) error { return c.listAuthorities(ctx, stdout) }),
		withHub("remove NAME", "stop trusting a CA and disconnect its devices", exactArgs(1),
			func(ctx context.Context, args []string) error {
				return c.do(ctx, http.MethodDelete, "/certificates/"+url.PathEscape(args[0]), "", nil, nil)
			}))
	return cmd
}

// addAuthority uploads the CA certificate in file to the hub. The hub then trusts the
// CA.
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

// listAuthorities prints a table of the CAs that the hub trusts. The subject is the last
// column, because another organization chooses its text and its length.
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
	fmt.Fprintln(table, "NAME\tUNTIL\tSHA-256\tSUBJECT")
	for _, a := range list.Value {
		p := a.Properties
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", termtext.Clean(a.Name), p.Expiry.Format(time.DateOnly),
			termtext.Clean(p.Thumbprint), termtext.Clean(p.Subject))
	}
	return table.Flush()
}

// maxInput is the size, in bytes, of the largest input file.
const maxInput = 1 << 20

// readInput reads the file with the given name, or standard input if the name is "-".
func readInput(stdin io.Reader, file string) (string, error) {
	if file != "-" {
		return textfile.Read(file, maxInput)
	}

	content, err := io.ReadAll(io.LimitReader(stdin, maxInput+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxInput {
		return "", fmt.Errorf("standard input is too large; at most %d bytes are allowed", maxInput)
	}
	text, err := textfile.Decode(content)
	if err != nil {
		return "", fmt.Errorf("standard input %w", err)
	}
	return text, nil
}
