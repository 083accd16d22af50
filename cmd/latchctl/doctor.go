package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// clockTolerance is the largest difference between the clocks of this computer and the
// hub that doctor accepts. It is much shorter than the lifetime of a login token.
const clockTolerance = 5 * time.Minute

// doctorID is an id that no device and no job has. Doctor requests a device and a job
// with this id, to test what the login may read.
const doctorID = "latchctl-doctor-asks"

type doctorOptions struct {
	app *app
}

func newDoctor(a *app) *cobra.Command {
	o := &doctorOptions{app: a}
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the connection to the hub, the clock and the login's rights",
		Long: "Doctor changes nothing: it requests a device and a job that do not exist.\n" +
			"Exit status: 1 if a check failed.",
		Example: "  latchctl doctor --hub-file hub.connection-string",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.perform(cmd.Context(), o) },
	}
}

// finding is the result of one check of doctor, as -o json prints it.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what the user should do after a failed check
}

// failed returns the finding for a check that failed with err.
func failed(check string, err error) finding {
	if network, ok := errors.AsType[*rest.NetworkError](err); ok {
		return finding{check, false, "hub at " + network.Address + ": " + network.Problem, network.Remedy}
	}

	return finding{Check: check, Text: err.Error()}
}

func (o *doctorOptions) run(ctx context.Context) error {
	client, err := o.app.client()
	if err != nil {
		return err
	}
	findings := o.examine(ctx, client)
	if ctx.Err() != nil {
		return ctx.Err()
	}

	if err := printList(o.app, findings, func() *ui.Table { return findingTable(findings) }); err != nil {
		return err
	}
	for _, f := range findings {
		if !f.OK {
			return exitStatus(exitFailed)
		}
	}

	return nil
}

func findingTable(findings []finding) *ui.Table {
	t := &ui.Table{Head: []string{"CHECK", "RESULT", "MORE"}, WrapLast: true}
	for _, f := range findings {
		if f.OK {
			t.Add(f.Check, "ok", f.Text)
		} else {
			t.Add(f.Check, "failed", strings.TrimSuffix(f.Text+"; "+f.Remedy, "; "))
		}
	}

	return t
}

// examine runs the checks in order. If a check fails, it skips the checks that depend
// on it.
func (o *doctorOptions) examine(ctx context.Context, client *rest.Client) []finding {
	login := "the policy " + o.app.policy
	if o.app.entra {
		login = "a login by Entra ID"
	}

	dns := checkDNS(ctx, client)
	findings := []finding{{Check: "hub", OK: true, Text: client.HostName() + ", with " + login}, dns}
	if !dns.OK {
		return findings
	}

	hubTime, err := client.HubTime(ctx)
	findings = append(findings, connectionFindings(client, err)...)
	if err != nil {
		return findings
	}
	if id, err := client.HubID(ctx); err == nil && id != "" {
		findings = append(findings, finding{Check: "id", OK: true, Text: string(id)})
	}
	findings = append(findings, clockFinding(o.app.now().Sub(hubTime)))

	_, deviceErr := client.Device(ctx, doctorID)
	_, twinErr := client.Twin(ctx, doctorID)
	_, jobErr := client.Job(ctx, doctorID)
	if refusal, ok := errors.AsType[*iothub.Error](twinErr); ok && refusal.Status == http.StatusUnauthorized {
		return append(findings, finding{"login", false, twinErr.Error(), o.app.remedy(refusal)})
	}

	return append(findings, finding{Check: "login", OK: true, Text: "the hub accepts " + login},
		o.app.rightFinding("devices", "RegistryRead", deviceErr),
		o.app.rightFinding("twins", "ServiceConnect", twinErr),
		o.app.rightFinding("jobs", "ServiceConnect", jobErr))
}

// checkDNS looks up the endpoint's host name. It skips the lookup if the endpoint is an
// IP address, or if a proxy looks up the name.
func checkDNS(ctx context.Context, client *rest.Client) finding {
	if proxy := client.Proxy(); proxy != "" {
		return finding{Check: "proxy", OK: true, Text: proxy + ", which looks up the hub's name"}
	}
	host, _, _ := net.SplitHostPort(client.Address())
	if _, err := netip.ParseAddr(host); err == nil {
		return finding{Check: "dns", OK: true, Text: host + " is an IP address"}
	}

	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err == nil {
		return finding{Check: "dns", OK: true, Text: host + " is " + strings.Join(addresses, ", ")}
	}

	text := "the name " + host + " could not be looked up"
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		text = "there is no host named " + host
	}

	return finding{"dns", false, text, "check the hub's name and this computer's DNS, or give --endpoint"}
}

// connectionFindings returns the findings "network" and "tls", which follow from the
// error of the first request.
func connectionFindings(client *rest.Client, err error) []finding {
	reached := finding{Check: "network", OK: true, Text: client.Address() + " answers"}
	network, isNetwork := errors.AsType[*rest.NetworkError](err)

	switch {
	case err == nil:
		return []finding{reached, {Check: "tls", OK: true, Text: "the certificate is valid"}}
	case isNetwork && !network.Temporary():
		return []finding{reached, failed("tls", err)}
	case isNetwork:
		return []finding{failed("network", err)}
	case isError[*rest.OtherHubError](err):
		return []finding{reached, {"id", false, err.Error(), otherHubRemedy}}
	}

	return []finding{failed("login", err)}
}

// clockFinding compares the clocks of this computer and the hub; ahead is this
// computer's time minus the hub's. It ignores a difference of up to two seconds,
// because the hub states its time in whole seconds and its answer takes time.
func clockFinding(ahead time.Duration) finding {
	f := finding{Check: "clock", OK: ahead.Abs() <= clockTolerance, Text: "this computer and the hub agree"}

	if ahead.Abs() > 2*time.Second {
		direction := "ahead of"
		if ahead < 0 {
			direction = "behind"
		}
		f.Text = fmt.Sprintf("this computer is %s %s the hub", words.Duration(ahead.Abs().Round(time.Second)), direction)
	}
	if !f.OK {
		f.Remedy = "set this computer's clock; otherwise the hub refuses the login"
	}

	return f
}

// rightFinding returns the finding on whether the login may read devices, twins or
// jobs. err is the hub's answer to a request for an id that does not exist. The error
// "not found" proves that the login may read.
func (a *app) rightFinding(check, right string, err error) finding {
	refusal, isRefusal := errors.AsType[*iothub.Error](err)

	switch {
	case err == nil, isRefusal && refusal.Status == http.StatusNotFound:
		return finding{Check: check, OK: true, Text: "readable"}
	case isRefusal && refusal.Status == http.StatusForbidden && !a.entra:
		return finding{check, false, err.Error(), "use a shared access policy with the right " + right}
	case isRefusal:
		return finding{check, false, err.Error(), a.remedy(refusal)}
	}

	return failed(check, err)
}
