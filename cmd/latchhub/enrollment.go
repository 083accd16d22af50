package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// newEnrollment makes the commands for enrolments. They speak to the running hub
// with the owner's rights, over the API that Azure's provisioning service has.
func newEnrollment(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var c ownerClient
	cmd := &cobra.Command{
		Use:   "enrollment",
		Short: "say which devices may register themselves",
		Long: `Say which devices may register themselves with the running hub, by the Device
Provisioning Service's protocol on its MQTT front. A device needs the id scope
("latchhub enrollment scope"), a registration id and a secret: a key of its own,
a key derived from a group's, or a certificate.

An enrolment is JSON as Azure's provisioning service has it: registrationId or
enrollmentGroupId, attestation, and if need be deviceId, provisioningStatus
(enabled or disabled) and initialTwin. Keys that are left out are made, or left
as they were.`,
		Example: `  echo '{"registrationId":"door1","attestation":{"type":"symmetricKey"}}' | latchhub enrollment apply - --data /var/lib/latchhub
  echo '{"enrollmentGroupId":"site","attestation":{"type":"symmetricKey"}}' | latchhub enrollment apply - --data /var/lib/latchhub
  latchhub enrollment show site --group --data /var/lib/latchhub`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return usageError{errors.New("say what to do: apply, list, show, delete or scope")}
		},
	}
	c.addFlags(cmd)

	var group bool
	one := func(use, short string, run func(ctx context.Context, path string) error) *cobra.Command {
		sub := &cobra.Command{Use: use, Short: short, Args: exactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return run(cmd.Context(), kind(group)+"/"+url.PathEscape(args[0]))
		}}
		sub.Flags().BoolVar(&group, "group", false, "the id is a group's")
		return sub
	}
	none := func(use, short string, run func(ctx context.Context) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return run(cmd.Context())
		}}
	}
	apply := &cobra.Command{Use: "apply FILE", Short: "make or change the enrolment in FILE (- is standard input)", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(); err != nil {
				return err
			}
			return c.apply(cmd.Context(), stdin, args[0], stdout)
		}}
	cmd.AddCommand(apply,
		one("show ID", "print an enrolment, with its keys", func(ctx context.Context, path string) error {
			return c.show(ctx, path, stdout)
		}),
		one("delete ID", "remove an enrolment; its devices stay", func(ctx context.Context, path string) error {
			return c.do(ctx, http.MethodDelete, path, "", nil, nil)
		}),
		none("list", "print all enrolments, without their keys", func(ctx context.Context) error {
			for _, group := range []bool{false, true} {
				if err := c.list(ctx, kind(group), stdout); err != nil {
					return err
				}
			}
			return nil
		}),
		none("scope", "print the id scope", func(ctx context.Context) error {
			var scope struct{ IDScope string }
			if err := c.do(ctx, http.MethodGet, "/idScope", "", nil, &scope); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, scope.IDScope)
			return err
		}))
	return cmd
}

func kind(group bool) string {
	if group {
		return "/enrollmentGroups"
	}
	return "/enrollments"
}

// apply makes the enrolment, or changes it if it is there.
func (c *ownerClient) apply(ctx context.Context, stdin io.Reader, file string, stdout io.Writer) error {
	text, err := readInput(stdin, file)
	if err != nil {
		return err
	}
	var ids struct {
		RegistrationID    string
		EnrollmentGroupID string
	}
	if err := json.Unmarshal(text, &ids); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if (ids.RegistrationID == "") == (ids.EnrollmentGroupID == "") {
		return fmt.Errorf("%s: give one of registrationId and enrollmentGroupId", file)
	}
	path := kind(ids.EnrollmentGroupID != "") + "/" + url.PathEscape(ids.RegistrationID+ids.EnrollmentGroupID)
	ifMatch := "*"
	if err := c.do(ctx, http.MethodGet, path, "", nil, nil); isNotFound(err) {
		ifMatch = ""
	} else if err != nil {
		return err
	}
	if err := c.do(ctx, http.MethodPut, path, ifMatch, text, nil); err != nil {
		return err
	}
	return c.show(ctx, path, stdout)
}

// show prints an enrolment with its keys, which the hub gives separately.
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

func (c *ownerClient) list(ctx context.Context, path string, stdout io.Writer) error {
	var list []any
	if err := c.do(ctx, http.MethodPost, path+"/query", "", []byte(`{"query":"*"}`), &list); err != nil {
		return err
	}
	for _, enrollment := range list {
		if err := printJSON(stdout, enrollment); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
