package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/termtext"
)

// newInvite makes the command "invite" with its subcommands. They request invitation codes
// from the running hub.
func newInvite(stdout, stderr io.Writer) *cobra.Command {
	var c ownerClient
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "invite a door or a person to this hub",
		Long: `Request an invitation code from the running hub and print it. The code contains
the hub's address, the certificate of its CA and a one-time key. It is a secret:
anybody who has it can take the identity until it has been used.`,
		Example: `  latchhub invite door front --tag site=north
  latchhub invite door front | ssh root@gateway latchd enroll
  latchhub invite person anna --role viewer`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("missing command; use door or person")}
		},
	}

	c.addFlags(cmd)
	cmd.AddCommand(newInviteDoor(&c, stdout, stderr), newInvitePerson(&c, stdout, stderr))
	return cmd
}

// inviteDoorOptions holds the flags of the command "invite door".
type inviteDoorOptions struct {
	tags    []string
	valid   time.Duration
	replace bool
}

func newInviteDoor(c *ownerClient, stdout, stderr io.Writer) *cobra.Command {
	var opts inviteDoorOptions
	cmd := &cobra.Command{
		Use:   "door NAME",
		Short: "print a code with which 'latchd enroll' registers the door NAME",
		Long: `Print a code with which 'latchd enroll' registers the door NAME. The gateway gets a
key of its own. The first login with this key ends the code. Until then the code
can be used again, in case an answer is lost, and only the latest use counts. A
new code for the same door ends the old one.`,
		Example: `  latchhub invite door front --tag site=north --tag building=43`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return c.inviteDoor(cmd.Context(), args[0], opts, stdout, stderr)
		},
	}

	flags := cmd.Flags()
	flags.StringArrayVar(&opts.tags, "tag", nil, "tag of the new door as `NAME=TEXT`; may be repeated")
	flags.DurationVar(&opts.valid, "valid", 24*time.Hour, "time until the code expires, at most 168h")
	flags.BoolVar(&opts.replace, "replace", false, "permit that the door exists; its present gateway is cut off when the code is used")
	return cmd
}

// inviteDoor requests a code for a door and prints it.
func (c *ownerClient) inviteDoor(ctx context.Context, name string, opts inviteDoorOptions, stdout, stderr io.Writer) error {
	tags, err := parseTags(opts.tags)
	if err != nil {
		return usageError{err}
	}
	seconds, err := validSeconds(opts.valid)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"tags": tags, "validSeconds": seconds, "replace": opts.replace})
	if err != nil {
		return err
	}

	var invited issuedCode
	err = c.do(ctx, http.MethodPut, "/invitations/doors/"+url.PathEscape(name), "", body, &invited)
	if err != nil {
		return fmt.Errorf("invite the door %s: %w", name, err)
	}
	return invited.print("latchd enroll", stdout, stderr)
}

// validSeconds returns the value of --valid in seconds.
func validSeconds(valid time.Duration) (int64, error) {
	if valid < time.Second || valid%time.Second != 0 {
		return 0, usageError{fmt.Errorf("--valid is %s; want whole seconds, such as 24h", valid)}
	}
	return int64(valid / time.Second), nil
}

// parseTags parses tags of the form NAME=TEXT.
func parseTags(texts []string) (map[string]string, error) {
	tags := make(map[string]string)
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := tags[name]; !ok || name == "" || twice {
			return nil, fmt.Errorf("--tag is %q; want NAME=TEXT, and each name once", text)
		}
		tags[name] = value
	}
	return tags, nil
}

// issuedCode is the hub's answer to the request for a code.
type issuedCode struct {
	Code    string
	Hub     string
	Expires time.Time
}

// print prints the code on stdout, and what to do with it on stderr.
func (i issuedCode) print(command string, stdout, stderr io.Writer) error {
	fmt.Fprintf(stderr, "latchhub: this code is a secret; it is valid until %s; give it to '%s'\n", i.Expires.Local().Format("2006-01-02 15:04"), command)
	host := i.Hub
	if name, _, err := net.SplitHostPort(i.Hub); err == nil {
		host = name
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		fmt.Fprintf(stderr, "latchhub: the code works only on this computer, because the hub's name is %s; set the name with 'latchhub serve --name'\n", host)
	}

	_, err := fmt.Fprintln(stdout, termtext.Clean(i.Code))
	return err
}
