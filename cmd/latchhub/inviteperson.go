package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/termtext"
)

// invitePersonOptions holds the flags of the command "invite person".
type invitePersonOptions struct {
	role    string
	valid   time.Duration
	replace bool
}

func newInvitePerson(c *ownerClient, stdout, stderr io.Writer) *cobra.Command {
	var opts invitePersonOptions
	cmd := &cobra.Command{
		Use:   "person NAME",
		Short: "print a code with which 'latchctl hub add' gives the person NAME access",
		Long: `Print a code with which 'latchctl hub add' gives the person NAME access to this
hub, with a key of their own. A viewer sees all doors. An operator also locks and
unlocks them. Neither can read keys, or create and delete devices. The first use
of the key ends the code. 'latchhub policy revoke NAME' ends the access at once.`,
		Example: `  latchhub invite person anna
  latchhub invite person desk --role viewer --valid 1h`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return c.invitePerson(cmd.Context(), args[0], opts, stdout, stderr)
		},
	}

	flags := cmd.Flags()
	flags.StringVar(&opts.role, "role", "operator", "what the person may do: operator or viewer")
	flags.DurationVar(&opts.valid, "valid", 24*time.Hour, "time until the code expires, at most 168h")
	flags.BoolVar(&opts.replace, "replace", false, "permit that the person has access; it is revoked at once")
	cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"operator", "viewer"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// invitePerson requests a code for a person and prints it.
func (c *ownerClient) invitePerson(ctx context.Context, name string, opts invitePersonOptions, stdout, stderr io.Writer) error {
	seconds, err := validSeconds(opts.valid)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"role": opts.role, "validSeconds": seconds, "replace": opts.replace})
	if err != nil {
		return err
	}

	var invited issuedCode
	if err := c.do(ctx, http.MethodPut, "/invitations/people/"+url.PathEscape(name), "", body, &invited); err != nil {
		return fmt.Errorf("invite the person %s: %w", name, err)
	}
	return invited.print("latchctl hub add", stdout, stderr)
}

// listPeople prints a table of the persons who have access to the hub.
func (c *ownerClient) listPeople(ctx context.Context, stdout io.Writer) error {
	var list struct {
		Value []struct {
			Name, Role        string
			Active            bool
			InvitationExpires time.Time
		}
	}
	if err := c.do(ctx, http.MethodGet, "/policies", "", nil, &list); err != nil {
		return err
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tROLE\tACCESS")
	for _, person := range list.Value {
		access := "yes"
		if !person.InvitationExpires.IsZero() {
			access = "invited until " + person.InvitationExpires.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", termtext.Clean(person.Name), termtext.Clean(person.Role), access)
	}
	return table.Flush()
}

// revoke ends the access of a person.
func (c *ownerClient) revoke(ctx context.Context, name string) error {
	if err := c.do(ctx, http.MethodDelete, "/policies/"+url.PathEscape(name), "", nil, nil); err != nil {
		return fmt.Errorf("revoke the access of %s: %w", name, err)
	}
	return nil
}
