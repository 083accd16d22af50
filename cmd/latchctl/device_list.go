package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/spf13/cobra"
)

type deviceListOptions struct {
	app   *app
	where string
	limit int
}

func newDeviceList(a *app) *cobra.Command {
	o := &deviceListOptions{app: a}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List devices and the positions of their doors",
		Example: "  latchctl device list --where \"connectionState = 'Disconnected'\"",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().StringVarP(&o.where, "where", "w", "*", "list only devices that meet `CONDITION`, the part of a query after WHERE")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "list at most `N` devices; 0 lists all")

	return cmd
}

// listedDevice is a device as the command "device list" prints it.
type listedDevice struct {
	DeviceID         string        `json:"deviceId"`
	Status           string        `json:"status"`
	ConnectionState  string        `json:"connectionState"`
	LastActivityTime *time.Time    `json:"lastActivityTime,omitempty"`
	Position         string        `json:"position,omitempty"` // the position that the door's lock reported
	Secured          *bool         `json:"secured,omitempty"`  // true if the door reported that it is locked and closed; nil if it did not report this
	Tags             iothub.Object `json:"tags,omitempty"`
}

func (o *deviceListOptions) run(ctx context.Context) error {
	if err := checkCondition("--where", o.where); err != nil {
		return err
	}
	if o.limit < 0 {
		return usagef("--limit %d: want 0 or more", o.limit)
	}

	devices, err := o.list(ctx)
	if err != nil {
		return err
	}

	return printList(o.app, devices, func() *ui.Table {
		t := &ui.Table{Head: []string{"DEVICE", "STATUS", "CONNECTION", "DOOR", "LAST SEEN", "TAGS"}, Optional: []int{5, 4, 1}}
		for _, d := range devices {
			t.Add(d.DeviceID, d.Status, d.ConnectionState, doorText(d), o.app.localTime(d.LastActivityTime), objectText(d.Tags))
		}
		return t
	})
}

// list returns the twins of the devices that meet the condition, up to the limit.
func (o *deviceListOptions) list(ctx context.Context) ([]listedDevice, error) {
	f, err := o.app.fleet()
	if err != nil {
		return nil, err
	}

	var devices []listedDevice
	for row, err := range f.Query(ctx, "*", o.where) {
		if err != nil {
			return nil, err
		}

		var twin iothub.Twin
		if err := json.Unmarshal(row, &twin); err != nil {
			return nil, fmt.Errorf("the hub's answer has a row that is not a twin: %w", err)
		}
		devices = append(devices, listedDevice{
			DeviceID:         twin.DeviceID,
			Status:           string(twin.Status),
			ConnectionState:  string(twin.ConnectionState),
			LastActivityTime: timeOrNil(twin.LastActivityTime),
			Position:         position(twin),
			Secured:          secured(twin),
			Tags:             twin.Tags,
		})
		if o.limit > 0 && len(devices) == o.limit {
			break
		}
	}

	return devices, nil
}

// position returns the position that the door's lock reported, or "" if there is none.
func position(twin iothub.Twin) string {
	lock, _ := twin.Properties.Reported["lock"].(map[string]any)
	text, _ := lock["position"].(string)

	return text
}

// secured returns true if the door reported that it is locked and closed, and false
// if the door reported that it is not. It returns nil without such a report.
func secured(twin iothub.Twin) *bool {
	lock, _ := twin.Properties.Reported["lock"].(map[string]any)
	if yes, ok := lock["secured"].(bool); ok {
		return &yes
	}

	return nil
}

// doorText formats the position of a door's lock for a table. If the lock is locked but
// the door is open, the text says that the door is not secured.
func doorText(d listedDevice) string {
	if d.Position == "locked" && d.Secured != nil && !*d.Secured {
		return "locked, not secured"
	}

	return orDash(d.Position)
}

// objectText formats an object as JSON on one line. For an empty object it returns a
// dash.
func objectText(o iothub.Object) string {
	if len(o) == 0 {
		return "-"
	}

	text, _ := json.Marshal(o)
	return string(text)
}

// orDash returns text, or a dash if text is empty.
func orDash(text string) string {
	if text == "" {
		return "-"
	}

	return text
}
