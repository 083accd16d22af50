package main

import (
	"context"
	"errors"
	"fmt"
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
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
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
			t.Add(f.Check, map[bool]string{true: "ok", false: "failed"}[f.OK], f.Text)
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
	findings := []finding{{"hub", true, client.HostName()}}
	at, err := client.HubTime(ctx)
	if err != nil { // it tells DNS, network and TLS apart
		return append(findings, finding{"connection", false, err.Error()})
	}
	findings = append(findings, finding{"connection", true, "name, network and certificate are good: " + client.Address()},
		clockFinding(o.app.now().Sub(at)))
	_, registry := client.Device(ctx, doctorID)
	_, twins := client.Twin(ctx, doctorID)
	_, jobs := client.Job(ctx, doctorID)
	return append(findings, o.app.rightFinding("devices", registry), o.app.rightFinding("twins", twins), o.app.rightFinding("jobs", jobs))
}

func clockFinding(ahead time.Duration) finding {
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	f := finding{"clock", ahead.Abs() <= clockAllowed, "this computer and the hub agree"}
	if ahead.Abs() > 2*time.Second { // the hub's time is to a second, and on its way
		f.Text = fmt.Sprintf("this computer is %s %s the hub", ui.Duration(ahead.Abs().Round(time.Second)), word)
	}
	if !f.OK {
		f.Text += ": set its clock, or the hub refuses its tokens"
	}
	return f
}

// rightFinding reads the answer to a question for what does not exist: that it
// does not is the good answer.
func (a *app) rightFinding(check string, err error) finding {
	var refusal *iothub.Error
	switch {
	case err == nil, errors.As(err, &refusal) && refusal.Status == 404:
		return finding{check, true, "may be read"}
	case refusal != nil:
		return finding{check, false, err.Error() + a.refusalHint(refusal)}
	}
	return finding{check, false, err.Error()}
}
