package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/conn"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/textfile"
	"github.com/latchd/latchd/transport/trust"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxCA is the maximum size of a file with CA certificates, in bytes.
const maxCA = 1 << 20

type hubAddOptions struct {
	app  *app
	name string
}

func newHubAdd(a *app) *cobra.Command {
	o := &hubAddOptions{app: a}
	return &cobra.Command{
		Use:   "add [NAME]",
		Short: "Add a hub to the config file, with an invitation code or a connection string",
		Long: "Latchctl reads a code of 'latchhub invite person', or a connection string, from a\n" +
			"prompt or from standard input. It checks the login at the hub and stores it in a\n" +
			"file that only you can read. A code is exchanged for a key of your own, and cannot\n" +
			"be used again. --endpoint and --ca-file apply to a connection string.",
		Example: "  latchctl hub add\n" +
			"  latchhub invite person anna | latchctl hub add site",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected argument %q", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = strings.Join(args, "")
			return a.perform(cmd.Context(), o)
		},
	}
}

func (o *hubAddOptions) run(ctx context.Context) error {
	config, err := conn.LoadConfig(o.app.getenv)
	if err != nil {
		return err
	}
	if o.name != "" {
		if err := conn.CheckHubName(o.name); err != nil {
			return usagef("%v", err)
		}
	}

	text, err := o.app.readSecret(ctx, "Paste the invitation code or the connection string (it is not shown): ")
	if err != nil {
		return err
	}
	hub, oneTime, err := o.parse(text)
	if err != nil {
		return err
	}
	if err := config.CheckNew(hub); err != nil {
		return err
	}
	return o.add(ctx, config, hub, oneTime)
}

// parse returns the hub of a code or of a connection string. oneTime reports whether the
// key of its login is the one-time key of a code.
func (o *hubAddOptions) parse(text string) (hub conn.NewHub, oneTime bool, err error) {
	if strings.Contains(text, "SharedAccessKey") {
		if hub.Service, err = iothub.ParseService(text); err != nil {
			return hub, false, err
		}
		hub.Endpoint = o.app.flags.Endpoint
		if file := o.app.flags.CAFile; file != "" {
			if hub.CA, err = textfile.Read(file, maxCA); err != nil {
				return hub, false, fmt.Errorf("CA file: %w", err)
			}
		}
	} else {
		person, err := invitation.ParsePerson(text)
		if err != nil {
			return hub, false, err
		}
		oneTime = true
		hub.Service = iothub.Service{KeyName: person.Policy, Key: person.Key}
		hub.Service.HostName, hub.Endpoint = conn.HostName(person.Hub)
		hub.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: person.CA.Raw}))
	}

	hub.Name = o.name
	if hub.Name == "" {
		hub.Name = conn.NameFor(hub.Service.HostName)
	}
	return hub, oneTime, conn.CheckHubName(hub.Name)
}

// add checks the login at the hub and stores it. The secret of a code's login is stored
// before its first use, which ends the code: until then the command can be repeated.
func (o *hubAddOptions) add(ctx context.Context, config conn.Config, hub conn.NewHub, oneTime bool) error {
	if oneTime {
		client, err := o.client(hub)
		if err != nil {
			return err
		}
		hub.Service.Key, err = client.Redeem(ctx, hub.Service.KeyName)
		if err != nil {
			return codeRefused(hub, err)
		}
		if err := config.SaveSecret(hub); err != nil {
			return err
		}
	}

	client, err := o.client(hub)
	if err != nil {
		return err
	}
	// A hub that accepts the login answers that there is no such device.
	if _, err := client.Twin(ctx, doctorID); err != nil && !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotFound}) {
		return fmt.Errorf("the hub was not added: %w", err)
	}
	if hub.ID, err = client.HubID(ctx); err != nil {
		return err
	}

	if !oneTime {
		if err := config.SaveSecret(hub); err != nil {
			return err
		}
	}
	isDefault, err := config.AddHub(hub)
	if err != nil {
		return err
	}
	use := "use it with --hub " + hub.Name + ", or make it the default: latchctl hub use " + hub.Name
	if isDefault {
		use = "it is the default hub"
	}
	o.app.note("added the hub %s with the login %s; %s", hub.Name, hub.Service.KeyName, use)
	return nil
}

// codeRefused explains why the hub does not accept a code.
func codeRefused(hub conn.NewHub, err error) error {
	if !errors.Is(err, &iothub.Error{Code: iothub.CodeUnauthorized}) {
		return err
	}
	return fmt.Errorf("the hub does not accept the code: it has been used or replaced, or it has expired; if you have not used it, somebody else has your access: "+
		"ask for 'latchhub invite person %s --replace' (%w)", hub.Service.KeyName, err)
}

// client returns a client for a hub that is not in the config file yet.
func (o *hubAddOptions) client(hub conn.NewHub) (*rest.Client, error) {
	opts := rest.Options{UserAgent: "latchctl/" + o.app.version, Now: o.app.now, Sleep: o.app.sleep}
	if hub.Endpoint != "" {
		endpoint, err := rest.ParseEndpoint(hub.Endpoint)
		if err != nil {
			return nil, usagef("%v", err)
		}
		opts.Endpoint = endpoint
	}
	if hub.CA != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(hub.CA)) {
			return nil, errors.New("CA file: it contains no certificate in PEM format")
		}
		opts.RootCAs = trust.Pool(roots)
	}
	return rest.New(hub.Service, opts), nil
}

// readSecret reads a code or a connection string from standard input.
func (a *app) readSecret(ctx context.Context, prompt string) (string, error) {
	if f, ok := a.in.(*os.File); ok && a.inTerminal {
		return a.askSecret(ctx, int(f.Fd()), prompt)
	}

	text, err := io.ReadAll(io.LimitReader(a.in, invitation.MaxCode+1))
	if err != nil {
		return "", err
	}
	if len(text) > invitation.MaxCode {
		return "", fmt.Errorf("standard input has more than %d bytes; want an invitation code or a connection string", invitation.MaxCode)
	}
	return textfile.Decode(text)
}

// askSecret asks for a secret on a terminal and does not show it. A mail program may have
// wrapped a code, so askSecret reads lines until the code is complete.
func (a *app) askSecret(ctx context.Context, terminal int, prompt string) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}

	type result struct {
		line []byte
		err  error
	}
	for text := ""; ; prompt = "The code is not complete. Paste the rest, or press Enter to stop: " {
		fmt.Fprint(a.errOut, prompt)
		lines := make(chan result, 1)
		go func() {
			line, err := term.ReadPassword(terminal)
			lines <- result{line, err}
		}()

		var read result
		select {
		case read = <-lines:
			fmt.Fprintln(a.errOut)
		case <-ctx.Done():
			fmt.Fprintln(a.errOut)
			return "", errors.Join(ctx.Err(), term.Restore(terminal, before))
		}

		text += string(read.line)
		_, err := invitation.ParsePerson(text)
		if read.err != nil || !errors.Is(err, invitation.ErrDamaged) || len(read.line) == 0 || len(text) > invitation.MaxCode {
			return text, read.err
		}
	}
}
