package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/watch"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/rest"
)

// Device is a device of the hub's registry.
type Device struct {
	DeviceID        string `json:"deviceId"`
	ConnectionState string `json:"connectionState"`
}

// Selection says which devices the user chose: by ids, or by a condition if there are no
// ids.
type Selection struct {
	IDs   []string
	Where string // '*' selects all devices
	Yes   bool   // true: the user needs no question
}

// IDs returns the ids of the given devices, in the same order.
func IDs(devices []Device) []string {
	ids := make([]string, len(devices))
	for i, d := range devices {
		ids[i] = d.DeviceID
	}

	return ids
}

// WithIDs returns devices with the given ids and no other property.
func WithIDs(ids []string) []Device {
	devices := make([]Device, len(ids))
	for i, id := range ids {
		devices[i].DeviceID = id
	}

	return devices
}

// Missing returns the ids that no device has.
func Missing(ids []string, devices []Device) []string {
	present := make(map[string]bool)
	for _, d := range devices {
		present[d.DeviceID] = true
	}

	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return present[id] })
}

// Find returns the selected devices. It returns an error if there is no device, or none
// with one of the given ids.
func (f *Fleet) Find(ctx context.Context, s Selection) ([]Device, error) {
	var devices []Device
	var err error
	if len(s.IDs) > 0 {
		devices, err = f.WithIDs(ctx, s.IDs)
	} else {
		devices, err = f.Where(ctx, s.Where)
	}
	if err != nil {
		return nil, err
	}

	if missing := Missing(s.IDs, devices); len(missing) > 0 {
		return nil, fmt.Errorf("no such device: %s; nothing was sent (the hub can take a moment to find a new device)", strings.Join(missing, ", "))
	}
	if len(devices) == 0 {
		return nil, errors.New("the condition selects no device; nothing was sent")
	}

	return devices, nil
}

// Where asks the hub for the devices that meet a condition.
func (f *Fleet) Where(ctx context.Context, where string) ([]Device, error) {
	var devices []Device
	for row, err := range f.Query(ctx, "deviceId, connectionState", where) {
		if err != nil {
			return nil, err
		}

		var d Device
		if err := json.Unmarshal(row, &d); err != nil || d.DeviceID == "" {
			return nil, fmt.Errorf("the hub's answer has a row without a device id: %.80s", row)
		}
		devices = append(devices, d)
	}

	return devices, nil
}

// WithIDs asks the hub for the devices with the given ids. Ids without a device are not
// in the result.
func (f *Fleet) WithIDs(ctx context.Context, ids []string) ([]Device, error) {
	var devices []Device
	for _, part := range rest.SplitDevices(ids, rest.MaxCondition) {
		found, err := f.Where(ctx, rest.DevicesIn(part))
		if err != nil {
			return nil, err
		}
		devices = append(devices, found...)
	}

	return devices, nil
}

// ThatMeet returns those of the given devices that are in the registry and meet a
// condition. An empty condition is always met. ThatMeet retries while the hub is
// unavailable.
func (f *Fleet) ThatMeet(ctx context.Context, ids []string, condition string) ([]Device, error) {
	var devices []Device
	for _, part := range rest.SplitDevices(ids, rest.MaxCondition-len(condition)) {
		where := rest.DevicesIn(part)
		if condition != "" {
			// The condition begins on a new line, so that conditionError can correct the
			// line numbers in the hub's error messages.
			where += " AND (\n" + condition + "\n)"
		}

		var found []Device
		err := f.Retry(ctx, watch.Patient, func() (err error) {
			found, err = f.Where(ctx, where)
			return err
		})
		if err != nil {
			return nil, err
		}
		devices = append(devices, found...)
	}

	return devices, nil
}

// NeedsConfirmation reports whether the user must be asked before an operation on this
// number of devices.
func (f *Fleet) NeedsConfirmation(devices int, op Operation) bool {
	return op.Caution == Always || op.Caution == AboveOne && devices > 1 || devices > f.ConfirmAbove
}

// Approve finds the selected devices and asks the user for confirmation if the operation
// needs it. It returns an error if the operation must not be sent.
func (f *Fleet) Approve(ctx context.Context, s Selection, op Operation) error {
	if s.Yes && len(s.IDs) == 0 {
		return nil
	}

	devices, err := f.Find(ctx, s)
	if err != nil || s.Yes || !f.NeedsConfirmation(len(devices), op) {
		return err
	}
	if err := f.Ask(ctx, devices, op); err != nil || len(s.IDs) > 0 {
		return err
	}

	// While the user answers, other devices may start to meet the condition. Select
	// again and compare.
	now, err := f.Where(ctx, s.Where)
	if err != nil {
		return err
	}
	if len(now) != len(devices) || len(Missing(IDs(now), devices)) > 0 {
		return fmt.Errorf("the condition no longer selects the devices that were shown: it now selects %s (%s); nothing was sent",
			words.Count(len(now), "device"), words.Names(IDs(now)))
	}

	return nil
}

// Ask asks the user to confirm an operation on the given devices, unless it needs no
// confirmation.
func (f *Fleet) Ask(ctx context.Context, devices []Device, op Operation) error {
	if !f.NeedsConfirmation(len(devices), op) {
		return nil
	}

	return f.Confirm(ctx, fmt.Sprintf("%s (%s)", f.Describe(op, len(devices)), words.Names(IDs(devices))))
}
