package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/spf13/cobra"
)

type methodInvokeOptions struct {
	app            *app
	id             string
	method         string
	payload        string
	timeout        seconds
	connectTimeout seconds
}

func newMethodInvoke(a *app) *cobra.Command {
	o := &methodInvokeOptions{app: a, timeout: 15}
	cmd := &cobra.Command{
		Use:   "invoke ID METHOD",
		Short: "Call a direct method of one device and show its answer",
		Long: "Exit status: 0 if the device answered with a success (status 200 to 299), 3 if it\n" +
			"answered with an error or is pending (a lock that waits for an open door), 5 if it\n" +
			"may have been called but no answer arrived, 1 if it could not be called.",
		Example: `  latchctl method invoke front-door getStatus
  latchctl method invoke front-door ping --payload '{"n":1}'`,
		Args: exactArgs("ID", "METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id, o.method = args[0], args[1]
			return a.perform(cmd.Context(), o)
		},
	}

	addMethodFlags(cmd, &o.payload, &o.timeout)
	cmd.Flags().Var(&o.connectTimeout, "connect-timeout", "wait this long for a disconnected device to connect, up to 5m")

	return cmd
}

// methodRequest returns the direct method that a command's arguments and flags
// describe.
func methodRequest(name, payload string, timeout, connect seconds) (iothub.MethodRequest, error) {
	m := iothub.MethodRequest{MethodName: name, ResponseTimeoutInSeconds: int(timeout), ConnectTimeoutInSeconds: int(connect)}
	if payload != "" {
		value, err := readJSON("--payload", payload)
		if err != nil {
			return m, usagef("%w", err)
		}
		m.Payload = value
	}

	return m, checkMethod(m)
}

// checkMethod returns a usage error if the method's name, payload or timeouts exceed
// IoT Hub's limits.
func checkMethod(m iothub.MethodRequest) error {
	// In the service API, a timeout of 0 means the default. A user who writes
	// --timeout 0 has made a mistake.
	if m.ResponseTimeoutInSeconds == 0 {
		return usagef("--timeout is 0; want %d to %d s", iothub.MinResponseTimeout, iothub.MaxResponseTimeout)
	}
	if err := m.Check(); err != nil {
		return usagef("%w", err)
	}

	return nil
}

func (o *methodInvokeOptions) run(ctx context.Context) error {
	if err := checkDeviceID(o.id); err != nil {
		return err
	}
	request, err := methodRequest(o.method, o.payload, o.timeout, o.connectTimeout)
	if err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	answer, err := client.InvokeMethod(ctx, o.id, request)
	if err != nil {
		return o.app.explainInvokeError(o.id, err)
	}
	if err := o.app.printOne(answer, func(w io.Writer) error { return showAnswer(w, answer) }); err != nil {
		return err
	}

	verdict := answer.Judge()
	if verdict.Outcome == iothub.Succeeded {
		return nil
	}
	o.app.note("%s: %s: %s; %s", o.id, verdict.Outcome, verdict.Reason, fleet.AdviceFor(verdict).Remedy)

	return exitStatus(exitDevices)
}

// showAnswer prints a device's answer as text: the status, and the payload as
// indented JSON.
func showAnswer(w io.Writer, answer iothub.MethodResponse) error {
	text := fmt.Sprintf("status %d\n", answer.Status)

	var pretty bytes.Buffer
	if len(answer.Payload) > 0 && string(answer.Payload) != "null" && json.Indent(&pretty, answer.Payload, "", "  ") == nil {
		text += termtext.EscapeJSON(pretty.String()) + "\n"
	}

	_, err := io.WriteString(w, text)
	return err
}

// explainInvokeError adds to an error of InvokeMethod the remedy, and a warning if
// the hub may have called the device despite the error.
func (a *app) explainInvokeError(id string, err error) error {
	refusal, isRefusal := errors.AsType[*iothub.Error](err)
	network, isNetwork := errors.AsType[*rest.NetworkError](err)

	switch {
	case isRefusal && refusal.Code == iothub.CodeDeviceNotOnline:
		return fmt.Errorf("%s is offline: check the gateway's power and network", id)
	case isRefusal && (refusal.Code == iothub.CodeGatewayTimeout || refusal.Status == http.StatusGatewayTimeout):
		a.note("%s: timed out: the device was called and did not answer in time; look at the door before you try again", id)
		return exitStatus(exitTimedOut)
	case errors.Is(err, context.Canceled):
		return &fleet.UnknownOutcome{Err: fmt.Errorf("interrupted; the hub may have called %s anyway", id)}
	case isNetwork && network.Sent(),
		isRefusal && refusal.Status >= 500 && refusal.Status != http.StatusNotImplemented:
		return &fleet.UnknownOutcome{Err: fmt.Errorf("%w; the hub may have called %s anyway", err, id)}
	}

	return noSuchDevice(id, err)
}
