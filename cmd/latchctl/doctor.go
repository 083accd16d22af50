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
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// clockAllowed is how far the clocks may be apart: far less than a token's life.
const clockAllowed = 5 * time.Minute

// doctorID names a device and a job that do not exist, to ask for.
const doctorID = "latchctl-doctor-asks"

type doctorOptions struct {
	app *app
}

func newDoctor(a *app, run func(context.Context, *doctorOptions) error) *cobra.Command {
	if run == nil {
		run = runDoctor
	}
	o := &doctorOptions{app: a}
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the connection to the hub, the clocks and what the key may do",
		Long: "It only reads: it asks for a device and a job that do not exist.\n" +
			"The exit status is 1 if a check has failed.",
		Example: "  latchctl doctor --hub-file hub.connection-string",
		Args:    named(),
		RunE:    func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), o) },
	}
}

// finding is the result of a check, as -o json has it.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what to do about one that has failed
}

// failed returns the finding for err. A network error holds its remedy; other
// errors name the remedy after a semicolon.
func failed(check string, err error) finding {
	if network, ok := errors.AsType[*rest.NetworkError](err); ok {
		return finding{check, false, "hub at " + network.Address + ": " + network.Problem, network.Remedy}
	}

	text, remedy, _ := strings.Cut(err.Error(), "; ")
	return finding{check, false, text, remedy}
}

func runDoctor(ctx context.Context, o *doctorOptions) error {
	client, err := o.app.client()
	if err != nil {
		return err
	}
	findings := o.examine(ctx, client)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = printList(o.app, findings, func() *ui.Table {
		t := &ui.Table{Head: []string{"CHECK", "RESULT", "MORE"}, WrapLast: true}
		for _, f := range findings {
			if f.OK {
				t.Add(f.Check, "ok", f.Text)
			} else {
				t.Add(f.Check, "failed", strings.TrimSuffix(f.Text+"; "+f.Remedy, "; "))
			}
		}
		return t
	})
	if err != nil {
		return err
	}
	for _, f := range findings {
		if !f.OK {
			return outcome(exitFailed)
		}
	}
	return nil
}

// examine checks one thing after the other, as far as the ones before allow.
func (o *doctorOptions) examine(ctx context.Context, client *rest.Client) []finding {
	by := "the policy " + o.app.policy
	if o.app.entra {
		by = "a login by Entra ID"
	}
	findings := []finding{{Check: "hub", OK: true, Text: client.HostName() + ", with " + by}, lookUp(ctx, client)}
	if !findings[1].OK {
		return findings
	}
	at, err := client.HubTime(ctx)
	findings = append(findings, connectionFindings(client, err)...)
	if err != nil {
		return findings
	}
	findings = append(findings, clockFinding(o.app.now().Sub(at)))
	_, devices := client.Device(ctx, doctorID)
	_, twins := client.Twin(ctx, doctorID)
	_, jobs := client.Job(ctx, doctorID)
	if refusal, ok := errors.AsType[*iothub.Error](twins); ok && refusal.Status == http.StatusUnauthorized {
		return append(findings, finding{"login", false, twins.Error(), strings.TrimPrefix(o.app.refusalHint(refusal), "; ")})
	}
	return append(findings, finding{Check: "login", OK: true, Text: "the hub takes " + by},
		o.app.rightFinding("devices", "RegistryRead", devices),
		o.app.rightFinding("twins", "ServiceConnect", twins),
		o.app.rightFinding("jobs", "ServiceConnect", jobs))
}

// lookUp asks for the addresses of the endpoint's name, unless it has none or a
// proxy does that.
func lookUp(ctx context.Context, client *rest.Client) finding {
	if proxy := client.Proxy(); proxy != "" {
		return finding{Check: "proxy", OK: true, Text: proxy + ", which looks the name up"}
	}
	host, _, _ := net.SplitHostPort(client.Address())
	if _, err := netip.ParseAddr(host); err == nil {
		return finding{Check: "dns", OK: true, Text: host + " is an address"}
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		text := "the name " + host + " could not be looked up"
		if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
			text = "there is no host named " + host
		}
		return finding{"dns", false, text, "check the hub's name and this computer's DNS, or give --endpoint"}
	}
	return finding{Check: "dns", OK: true, Text: host + " is " + strings.Join(addresses, ", ")}
}

// connectionFindings tells network and TLS apart by the error of a first request.
func connectionFindings(client *rest.Client, err error) []finding {
	reached := finding{Check: "network", OK: true, Text: client.Address() + " answers"}
	network, isNetwork := errors.AsType[*rest.NetworkError](err)
	switch {
	case err == nil:
		return []finding{reached, {Check: "tls", OK: true, Text: "its certificate is good"}}
	case isNetwork && !network.Temporary():
		return []finding{reached, failed("tls", err)}
	case isNetwork:
		return []finding{failed("network", err)}
	}
	return []finding{failed("login", err)}
}

func clockFinding(ahead time.Duration) finding {
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	f := finding{Check: "clock", OK: ahead.Abs() <= clockAllowed, Text: "this computer and the hub agree"}
	if ahead.Abs() > 2*time.Second { // the hub's time is to a second, and on its way
		f.Text = fmt.Sprintf("this computer is %s %s the hub", ui.Duration(ahead.Abs().Round(time.Second)), word)
	}
	if !f.OK {
		f.Remedy = "set its clock, or the hub refuses its tokens"
	}
	return f
}

// rightFinding reads the answer to a question for what does not exist: that it
// does not is the good answer.
func (a *app) rightFinding(check, right string, err error) finding {
	refusal, isRefusal := errors.AsType[*iothub.Error](err)
	switch {
	case err == nil, isRefusal && refusal.Status == http.StatusNotFound:
		return finding{Check: check, OK: true, Text: "may be read"}
	case isRefusal && refusal.Status == http.StatusForbidden && !a.entra:
		return finding{check, false, err.Error(), "use a shared access policy with the right " + right}
	case isRefusal:
		return finding{check, false, err.Error(), strings.TrimPrefix(a.refusalHint(refusal), "; ")}
	}
	return failed(check, err)
}
