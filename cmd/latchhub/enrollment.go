package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchd/latchd/transport/termtext"
)

// newEnrollment makes the command "enrollment" with its subcommands. They manage
// enrollments, which say which devices may register. The subcommands send requests to
// the running hub, which has the API of Azure's Device Provisioning Service.
func newEnrollment(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var c ownerClient
	cmd := &cobra.Command{
		Use:   "enrollment",
		Short: "manage enrollments, which allow devices to register themselves",
		Long: `Manage enrollments, which allow devices to register themselves with the running
hub. A device registers with the protocol of the Device Provisioning Service, at
the address for devices (serve --mqtt). The device needs the ID scope (latchhub
enrollment scope), a registration ID and one of these secrets: its own key, a
key derived from the key of a group, or a certificate.

An enrollment is a JSON object as in Azure's provisioning service. It has a
registrationId or an enrollmentGroupId, and an attestation. Optional fields are
deviceId, provisioningStatus (enabled or disabled) and initialTwin. If you leave
out the keys, apply generates keys for a new enrollment. An existing enrollment
keeps its keys.`,
		Example: `  echo '{"registrationId":"door1","attestation":{"type":"symmetricKey"}}' | latchhub enrollment apply - --data /var/lib/latchhub
  echo '{"enrollmentGroupId":"site","attestation":{"type":"symmetricKey"}}' | latchhub enrollment apply - --data /var/lib/latchhub
  latchhub enrollment show site --group --data /var/lib/latchhub`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("missing command; use apply, list, show, delete or scope")}
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

	var group bool
	withEnrollment := func(use, short string, run func(ctx context.Context, path string) error) *cobra.Command {
		sub := withHub(use, short, exactArgs(1), func(ctx context.Context, args []string) error {
			return run(ctx, collection(group)+"/"+url.PathEscape(args[0]))
		})
		sub.Flags().BoolVar(&group, "group", false, "ID names an enrollment group, not a single device")
		return sub
	}

	cmd.AddCommand(
		withHub("apply FILE", "create or change the enrollment in FILE (- reads standard input)", exactArgs(1),
			func(ctx context.Context, args []string) error { return c.apply(ctx, stdin, args[0], stdout) }),
		withEnrollment("show ID", "print an enrollment with its keys", func(ctx context.Context, path string) error {
			return c.show(ctx, path, stdout)
		}),
		withEnrollment("delete ID", "delete an enrollment and keep its devices", func(ctx context.Context, path string) error {
			return c.do(ctx, http.MethodDelete, path, "", nil, nil)
		}),
		withHub("list", "print all enrollments without their keys", noArgs, func(ctx context.Context, _ []string) error {
			for _, group := range []bool{false, true} {
				if err := c.list(ctx, collection(group), stdout); err != nil {
					return err
				}
			}
			return nil
		}),
		withHub("scope", "print the ID scope", noArgs, func(ctx context.Context, _ []string) error {
			var scope struct{ IDScope string }
			if err := c.do(ctx, http.MethodGet, "/idScope", "", nil, &scope); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, scope.IDScope)
			return err
		}))
	return cmd
}

// collection returns the API's path of the enrollment groups, or of the enrollments of
// single devices.
func collection(group bool) string {
	if group {
		return "/enrollmentGroups"
	}
	return "/enrollments"
}

// apply sends the enrollment in file to the hub and prints the result. The hub creates
// the enrollment, or changes it if it exists.
func (c *ownerClient) apply(ctx context.Context, stdin io.Reader, file string, stdout io.Writer) error {
	text, err := readInput(stdin, file)
	if err != nil {
		return err
	}

	var ids struct {
		RegistrationID    string
		EnrollmentGroupID string
	}
	if err := json.Unmarshal([]byte(text), &ids); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if (ids.RegistrationID == "") == (ids.EnrollmentGroupID == "") {
		return fmt.Errorf("%s: want exactly one of registrationId and enrollmentGroupId", file)
	}

	path := collection(ids.EnrollmentGroupID != "") + "/" + url.PathEscape(ids.RegistrationID+ids.EnrollmentGroupID)
	ifMatch := "*"
	if err := c.do(ctx, http.MethodGet, path, "", nil, nil); isNotFound(err) {
		ifMatch = ""
	} else if err != nil {
		return err
	}

	if err := c.do(ctx, http.MethodPut, path, ifMatch, []byte(text), nil); err != nil {
		return err
	}
	return c.show(ctx, path, stdout)
}

// show prints an enrollment with its keys. It sends a second request for the keys,
// because the enrollment itself does not contain them.
func (c *ownerClient) show(ctx context.Context, path string, stdout io.Writer) error {
	var enrollment map[string]any
	if err := c.do(ctx, http.MethodGet, path, "", nil, &enrollment); err != nil {
		return err
	}
	var attestation any
	if err := c.do(ctx, http.MethodPost, path+"/attestationmechanism", "", nil, &attestation); err != nil {
		return err
	}
	enrollment["attestation"] = attestation
	return printJSON(stdout, enrollment)
}

// list prints all enrollments of one kind: groups or single devices. It reads them page
// by page.
func (c *ownerClient) list(ctx context.Context, path string, stdout io.Writer) error {
	header := http.Header{}
	for {
		var page []any
		answer, err := c.send(ctx, http.MethodPost, path+"/query", header, []byte(`{"query":"*"}`), &page)
		if err != nil {
			return err
		}
		for _, enrollment := range page {
			if err := printJSON(stdout, enrollment); err != nil {
				return err
			}
		}

		next := answer.Get("x-ms-continuation")
		if next == "" {
			return nil
		}
		if next == header.Get("x-ms-continuation") {
			return errors.New("the hub returns the same page of enrollments repeatedly")
		}
		header.Set("x-ms-continuation", next)
	}
}

func printJSON(w io.Writer, v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, termtext.EscapeJSON(b.String()))
	return err
}
