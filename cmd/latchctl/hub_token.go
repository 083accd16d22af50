package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// The lifetime of a token has these bounds, because nobody can revoke a token: only a roll
// of the policy's keys ends it early.
const (
	minTokenLife seconds = 60
	maxTokenLife seconds = 24 * 3600
)

type hubTokenOptions struct {
	app      *app
	cmd      *cobra.Command
	lifetime seconds
	header   bool
}

// hubToken is a token for the hub, as -o json prints it.
type hubToken struct {
	Authorization string     `json:"authorization"`
	Expires       *time.Time `json:"expires,omitempty"`
}

func newHubToken(a *app) *cobra.Command {
	o := &hubTokenOptions{app: a, lifetime: 3600}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a token with which curl and other programs can use the hub, which is a secret",
		Long: "The token is the value of the header Authorization. It has the rights of the login, and\n" +
			"nobody can revoke it before it expires, except by new keys for the policy. A pipe keeps\n" +
			"the token out of the list of processes, the shell's history and the screen. The key\n" +
			"itself is never printed. With Entra ID, the directory decides on the lifetime.",
		Example: `  latchctl hub token --header | curl -H @- 'https://myhub.azure-devices.net/devices?api-version=2021-04-12'
  latchctl hub token --lifetime 5m --header | curl -H @- --cacert ca.pem 'https://localhost:8443/twins/front-door?api-version=2021-04-12'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd = cmd
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().Var(&o.lifetime, "lifetime", "let the token expire after this time, 1m to 24h")
	cmd.Flags().BoolVar(&o.header, "header", false, "print the whole header, as curl -H @- reads it")

	return cmd
}

func (o *hubTokenOptions) run(ctx context.Context) error {
	a := o.app
	if o.lifetime < minTokenLife || o.lifetime > maxTokenLife {
		return usagef("--lifetime %s: want 1m to 24h", &o.lifetime)
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	if a.entra && o.cmd.Flags().Changed("lifetime") {
		return usagef("--lifetime does not apply to Entra ID, which decides on the lifetime of its tokens")
	}

	header, expires, err := client.Authorization(ctx, o.lifetime.duration())
	if err != nil {
		return err
	}
	if a.outTerminal {
		until := "until it expires"
		if !expires.IsZero() {
			until = "until " + a.shortTime(expires)
		}
		a.note("note: this token is a secret: %s, anyone who has it has your rights at %s; a pipe keeps it off the screen", until, a.hub)
	}

	if a.format != "table" {
		return a.printOne(hubToken{header, timeOrNil(expires.UTC())}, nil)
	}
	if o.header {
		header = "Authorization: " + header
	}
	_, err = fmt.Fprintln(a.out, header)
	return err
}
