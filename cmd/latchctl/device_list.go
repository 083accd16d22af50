package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceListOptions struct {
	app   *app
	cmd   *cobra.Command
	where string
	limit int
}

func newDeviceList(a *app, run func(context.Context, *deviceListOptions) error) *cobra.Command {
	if run == nil {
		run = runDeviceList
	}
	o := &deviceListOptions{app: a}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List devices, with their doors' positions",
		Example: "  latchctl device list --where \"connectionState = 'Disconnected'\"",
		Args:    named(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd = cmd
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.where, "where", "w", "*", "only the devices that `CONDITION` selects, as after WHERE in a query")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "show at most `N` devices; 0 is all")
	return cmd
}

// listedDevice is a device as "device list" prints it, from its twin.
type listedDevice struct {
	DeviceID         string        `json:"deviceId"`
	Status           string        `json:"status"`
	ConnectionState  string        `json:"connectionState"`
	LastActivityTime *time.Time    `json:"lastActivityTime,omitempty"`
	Position         string        `json:"position,omitempty"` // of the door's lock, as it reported
	Tags             iothub.Object `json:"tags,omitempty"`
}

func runDeviceList(ctx context.Context, o *deviceListOptions) error {
	if err := checkCondition(o.cmd, "--where", o.where); err != nil {
		return err
	}
	if o.limit < 0 {
		return usagef(o.cmd, "--limit %d: want 0 or more", o.limit)
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	var devices []listedDevice
	for row, err := range client.Query(ctx, selectText("*", o.where)) {
		if err != nil {
			var refusal *iothub.Error
			if errors.As(err, &refusal) {
				refusal.Message = conditionPosition(refusal.Message)
			}
			return err
		}
		var twin iothub.Twin
		if err := json.Unmarshal(row, &twin); err != nil {
			return fmt.Errorf("the hub's answer holds no twin: %w", err)
		}
		devices = append(devices, listedDevice{
			DeviceID: twin.DeviceID, Status: twin.Status, ConnectionState: twin.ConnectionState,
			LastActivityTime: set(twin.LastActivityTime), Position: position(twin), Tags: twin.Tags,
		})
		if o.limit > 0 && len(devices) == o.limit {
			break
		}
	}
	return printList(o.app, devices, func() *ui.Table {
		t := &ui.Table{Head: []string{"DEVICE", "STATUS", "CONNECTION", "DOOR", "LAST SEEN", "TAGS"}, Optional: []int{5, 4, 1}}
		for _, d := range devices {
			t.Add(d.DeviceID, d.Status, d.ConnectionState, orDash(d.Position), o.app.localTime(d.LastActivityTime), objectText(d.Tags))
		}
		return t
	})
}

// position is the reported position of the door's lock.
func position(twin iothub.Twin) string {
	lock, _ := twin.Properties.Reported["lock"].(map[string]any)
	text, _ := lock["position"].(string)
	return text
}

func objectText(o iothub.Object) string {
	if len(o) == 0 {
		return "-"
	}
	text, _ := json.Marshal(o)
	return string(text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
