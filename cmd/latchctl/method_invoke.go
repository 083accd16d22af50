package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type methodInvokeOptions struct {
	app            *app
	cmd            *cobra.Command
	id, method     string
	payload        string
	timeout        seconds
	connectTimeout seconds
}

func newMethodInvoke(a *app, run func(context.Context, *methodInvokeOptions) error) *cobra.Command {
	if run == nil {
		run = runMethodInvoke
	}
	o := &methodInvokeOptions{app: a, timeout: 15}
	cmd := &cobra.Command{
		Use:   "invoke ID METHOD",
		Short: "Call a direct method of one device and show its answer",
		Long: "The exit status is 0 if the device's answer is a success (status 2xx), 3 if it is not,\n" +
			"5 if no answer came and the device may have been called, and 1 if it could not be.",
		Example: `  latchctl method invoke front-door getStatus
  latchctl method invoke front-door ping --payload '{"n":1}'`,
		Args: named("ID", "METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.id, o.method = cmd, args[0], args[1]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.payload, "payload", "", "the method's argument: `JSON`, or @FILE; null if not given")
	cmd.Flags().Var(&o.timeout, "timeout", "how long the device may take to answer, 5s to 5m")
	cmd.Flags().Var(&o.connectTimeout, "connect-timeout", "how long to wait for a device that is not connected, up to 5m")
	return cmd
}

// methodRequest makes a direct method of the flags that describe one.
func methodRequest(cmd *cobra.Command, name, payload string, timeout, connect seconds) (iothub.MethodRequest, error) {
	m := iothub.MethodRequest{MethodName: name, ResponseTimeoutInSeconds: int(timeout), ConnectTimeoutInSeconds: int(connect)}
	if payload != "" {
		value, err := readJSON("--payload", payload)
		if err != nil {
			return m, usagef(cmd, "%w", err)
		}
		m.Payload = value
	}
	return m, checkMethod(cmd, m)
}

// checkMethod holds a method to IoT Hub's bounds before it is sent.
func checkMethod(cmd *cobra.Command, m iothub.MethodRequest) error {
	if m.ResponseTimeoutInSeconds == 0 {
		return usagef(cmd, "--timeout is 0; want %d to %d s", iothub.MinResponseTimeout, iothub.MaxResponseTimeout)
	}
	if err := m.Check(); err != nil {
		return usagef(cmd, "%w", err)
	}
	return nil
}

func runMethodInvoke(ctx context.Context, o *methodInvokeOptions) error {
	if err := deviceID(o.cmd, o.id); err != nil {
		return err
	}
	request, err := methodRequest(o.cmd, o.method, o.payload, o.timeout, o.connectTimeout)
	if err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	answer, err := client.InvokeMethod(ctx, o.id, request)
	if err != nil {
		return o.app.notInvoked(o.id, err)
	}
	err = o.app.printOne(answer, func(w io.Writer) error { return showAnswer(w, answer) })
	if err != nil {
		return err
	}
	v := answer.Judge()
	if v.Outcome == iothub.Succeeded {
		return nil
	}
	_, next := whatNext(v.Outcome, refusalCode(v))
	o.app.note("%s: %s: %s; %s", o.id, v.Outcome, v.Reason, next)
	return outcome(exitDevices)
}

func showAnswer(w io.Writer, answer iothub.MethodResponse) error {
	text := fmt.Sprintf("status %d\n", answer.Status)
	var pretty bytes.Buffer
	if len(answer.Payload) > 0 && string(answer.Payload) != "null" && json.Indent(&pretty, answer.Payload, "", "  ") == nil {
		text += ui.EscapeJSON(pretty.String()) + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// notInvoked tells apart what may have gone wrong on the way to the device.
func (a *app) notInvoked(id string, err error) error {
	var refusal *iothub.Error
	var network *rest.NetworkError
	switch {
	case errors.As(err, &refusal) && refusal.Code == iothub.CodeDeviceNotOnline:
		return fmt.Errorf("%s is offline: check the gateway's power and its network", id)
	case errors.As(err, &refusal) && refusal.Code == iothub.CodeGatewayTimeout,
		errors.As(err, &refusal) && refusal.Status == 504:
		a.note("%s: timed out: it was called and did not answer in time; look at the door before you try again", id)
		return outcome(exitTimedOut)
	case errors.Is(err, context.Canceled):
		return &unknownOutcome{fmt.Errorf("interrupted; %s may have been called all the same", id)}
	case errors.As(err, &network) && network.Sent(),
		errors.As(err, &refusal) && refusal.Status >= 500 && refusal.Status != http.StatusNotImplemented:
		return &unknownOutcome{fmt.Errorf("%w; %s may have been called all the same", err, id)}
	}
	return noSuchDevice(id, err)
}
