package main

import (
	"context"
	"fmt"

	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/spf13/cobra"
)

type hubListOptions struct{ app *app }

func newHubList(a *app) *cobra.Command {
	o := &hubListOptions{app: a}
	return &cobra.Command{
		Use:     "list",
		Short:   "List the hubs of the config file",
		Example: "  latchctl hub list",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.perform(cmd.Context(), o) },
	}
}

// listedHub is a hub of the config file, as -o json prints it.
type listedHub struct {
	Name    string `json:"name"`
	Default bool   `json:"default"`
	Address string `json:"address,omitempty"`
	Login   string `json:"login"` // entra, or the file with the connection string
}

func (o *hubListOptions) run(context.Context) error {
	config, err := conn.LoadConfig(o.app.getenv)
	if err != nil {
		return err
	}

	var hubs []listedHub
	for _, name := range config.Names() {
		hub := config.Hubs[name]
		login := hub.ConnectionStringFile
		if login == "" {
			login = hub.Auth
		}
		hubs = append(hubs, listedHub{name, name == config.Default, hub.Address(), login})
	}

	return printList(o.app, hubs, func() *ui.Table {
		t := &ui.Table{Head: []string{"HUB", "DEFAULT", "ADDRESS", "LOGIN"}, WrapLast: true}
		for _, hub := range hubs {
			mark := ""
			if hub.Default {
				mark = "yes"
			}
			t.Add(hub.Name, mark, hub.Address, hub.Login)
		}
		return t
	})
}

// hubChangeOptions are the options of "hub use" and "hub remove".
type hubChangeOptions struct {
	app    *app
	name   string
	change func(conn.Config, string) error
	done   string // format of the message after the change
}

func newHubUse(a *app) *cobra.Command {
	o := &hubChangeOptions{app: a, change: conn.Config.UseHub, done: "%s is the default hub now"}
	return o.command("use NAME", "Make a hub of the config file the default", "  latchctl hub use north", "")
}

func newHubRemove(a *app) *cobra.Command {
	o := &hubChangeOptions{app: a, change: conn.Config.RemoveHub, done: "removed the hub %s and its files"}
	return o.command("remove NAME", "Remove a hub from the config file, with the files that 'hub add' wrote", "  latchctl hub remove north",
		"The login itself stays valid. 'latchhub policy revoke' ends it at the hub.")
}

func (o *hubChangeOptions) command(use, short, example, long string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Long: long,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.app.perform(cmd.Context(), o)
		},
	}
}

func (o *hubChangeOptions) run(context.Context) error {
	config, err := conn.LoadConfig(o.app.getenv)
	if err != nil {
		return err
	}
	if err := o.change(config, o.name); err != nil {
		return err
	}

	o.app.note("%s", fmt.Sprintf(o.done, o.name))
	return nil
}
