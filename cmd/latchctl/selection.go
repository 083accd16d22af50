package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/spf13/cobra"
)

// selectedDevice is a device that a command selects, as --dry-run prints it.
type selectedDevice struct {
	DeviceID        string `json:"deviceId"`
	ConnectionState string `json:"connectionState"`
}

// selection holds the flags and arguments that select devices, and the flags --yes
// and --dry-run. Devices are selected either by ids or by the condition where.
type selection struct {
	ids    []string
	where  string // selects devices by a condition; '*' selects all
	yes    bool   // skip the confirmation
	dryRun bool   // list the devices and send nothing
}

// addFlags adds the flags that select devices.
func (s *selection) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.where, "where", "w", "", "select devices by `CONDITION`, the part of a query after WHERE; '*' selects all")
	s.addConfirmationFlags(cmd)
}

// addConfirmationFlags adds --yes and --dry-run.
func (s *selection) addConfirmationFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&s.yes, "yes", "y", false, "skip the confirmation")
	cmd.Flags().BoolVarP(&s.dryRun, "dry-run", "n", false, "list the selected devices and send nothing")
}

// check validates the selection and removes duplicate ids. It sends no request.
func (s *selection) check(cmd *cobra.Command) error {
	if len(s.ids) == 0 {
		if !cmd.Flags().Changed("where") {
			return usagef("no device is selected; %s", howToSelect(cmd))
		}
		return checkCondition("--where", s.where)
	}
	if cmd.Flags().Changed("where") {
		return usagef("give --where CONDITION or device ids, not both")
	}

	var ids []string
	for _, id := range s.ids {
		if err := checkDeviceID(id); err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	s.ids = ids

	return nil
}

// howToSelect returns a text that tells the user how to select devices for cmd.
func howToSelect(cmd *cobra.Command) string {
	if strings.Contains(cmd.Use, "ID...") {
		return "give device ids, or --where CONDITION"
	}

	return "give --where CONDITION"
}

// errNotConfirmed means that the user declined the confirmation of a command.
var errNotConfirmed = errors.New("not confirmed; nothing was sent")

// confirmSelection looks up the selected devices and asks the user for confirmation
// if the operation needs it. It returns true if the command may continue. For a dry
// run it prints the devices and returns false.
func (a *app) confirmSelection(ctx context.Context, client *rest.Client, s selection, op operation) (bool, error) {
	if s.yes && !s.dryRun && len(s.ids) == 0 {
		return true, nil
	}

	var devices []selectedDevice
	var err error
	if len(s.ids) > 0 {
		devices, err = a.selectByID(ctx, client, s.ids)
	} else {
		devices, err = a.selectDevices(ctx, client, s.where)
	}
	if err != nil {
		return false, err
	}
	if missing := missingDevices(s.ids, devices); len(missing) > 0 {
		return false, fmt.Errorf("no such device: %s; nothing was sent (the hub can take a moment to find a new device)", strings.Join(missing, ", "))
	}
	if len(devices) == 0 {
		return false, errors.New("the condition selects no device; nothing was sent")
	}

	if s.dryRun {
		return false, a.showSelected(devices, op)
	}
	if !a.needsConfirmation(len(devices), s.yes, op) {
		return true, nil
	}
	if err := a.confirmDevices(ctx, devices, s.yes, op); err != nil {
		return false, err
	}
	if len(s.ids) > 0 {
		return true, nil
	}

	// While the user answers, other devices may start to meet the condition. Select
	// again and compare.
	now, err := a.selectDevices(ctx, client, s.where)
	if err != nil {
		return false, err
	}
	if !sameDevices(devices, now) {
		return false, fmt.Errorf("the condition no longer selects the devices that were shown: it now selects %s (%s); nothing was sent",
			words.Count(len(now), "device"), words.Names(deviceIDs(now)))
	}

	return true, nil
}

// deviceIDs returns the ids of the given devices, in the same order.
func deviceIDs(devices []selectedDevice) []string {
	ids := make([]string, len(devices))
	for i, d := range devices {
		ids[i] = d.DeviceID
	}

	return ids
}

// devicesOf returns devices with the given ids and no other property.
func devicesOf(ids []string) []selectedDevice {
	devices := make([]selectedDevice, len(ids))
	for i, id := range ids {
		devices[i].DeviceID = id
	}

	return devices
}

// sameDevices reports whether a and b contain the same devices, in any order.
func sameDevices(a, b []selectedDevice) bool {
	x, y := deviceIDs(a), deviceIDs(b)
	slices.Sort(x)
	slices.Sort(y)

	return slices.Equal(x, y)
}

// missingDevices returns the ids for which the hub has no device.
func missingDevices(ids []string, devices []selectedDevice) []string {
	present := make(map[string]bool)
	for _, d := range devices {
		present[d.DeviceID] = true
	}

	var missing []string
	for _, id := range ids {
		if !present[id] {
			missing = append(missing, id)
		}
	}

	return missing
}

// needsConfirmation reports whether latchctl must ask the user before it sends a
// command. It must ask for more than confirm_above devices, and for fewer devices if
// the operation requires it.
func (a *app) needsConfirmation(devices int, yes bool, op operation) bool {
	switch {
	case yes:
		return false
	case op.confirm == confirmAlways, op.confirm == confirmTwo && devices > 1:
		return true
	}

	return devices > a.confirmAbove
}

// confirmDevices asks the user to confirm an operation on devices, unless no
// confirmation is needed.
func (a *app) confirmDevices(ctx context.Context, devices []selectedDevice, yes bool, op operation) error {
	if !a.needsConfirmation(len(devices), yes, op) {
		return nil
	}

	return a.confirm(ctx, fmt.Sprintf("%s (%s)", op.on(devices), words.Names(deviceIDs(devices))))
}

// confirm asks the user on the terminal whether to do an action. It returns
// errNotConfirmed unless the answer is yes. Without a terminal it returns an error that
// recommends --yes.
func (a *app) confirm(ctx context.Context, action string) error {
	if !a.inTerminal || !a.errTerminal {
		return &usageError{err: fmt.Errorf("this would %s; add --yes to skip the confirmation", action)}
	}

	question := termtext.Clean(strings.ToUpper(action[:1])+action[1:]) + "? [y/N]"
	fmt.Fprint(a.errOut, strings.Join(ui.Paragraph(question, a.errWidth()), "\n")+" ")

	// Nothing can interrupt a read from the terminal, so the read has its own goroutine.
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- line
	}()

	select {
	case <-ctx.Done():
		fmt.Fprintln(a.errOut)
		return ctx.Err()
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
	}

	return errNotConfirmed
}

// selectByID asks the hub for the devices with the given ids. Ids without a device are
// not in the result.
func (a *app) selectByID(ctx context.Context, client *rest.Client, ids []string) ([]selectedDevice, error) {
	var devices []selectedDevice
	for _, part := range rest.SplitDevices(ids, rest.MaxCondition) {
		found, err := a.selectDevices(ctx, client, rest.DevicesIn(part))
		if err != nil {
			return nil, err
		}
		devices = append(devices, found...)
	}

	return devices, nil
}

// selectDevices asks the hub for the devices that meet a condition.
func (a *app) selectDevices(ctx context.Context, client *rest.Client, where string) ([]selectedDevice, error) {
	var devices []selectedDevice
	for row, err := range client.Query(ctx, selectText("deviceId, connectionState", where)) {
		if err != nil {
			return nil, explainConditionError(err)
		}

		var d selectedDevice
		if err := json.Unmarshal(row, &d); err != nil || d.DeviceID == "" {
			return nil, fmt.Errorf("the hub's answer has a row without a device id: %s", ui.Cut(string(row), 80))
		}
		devices = append(devices, d)
	}

	return devices, nil
}

// explainConditionError adds to the error of a query of selectText that the hub rejects the
// user's condition, with the position of the mistake in the condition. It returns any other
// error unchanged.
func explainConditionError(err error) error {
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok || refusal.Status != 400 {
		return err
	}

	inCondition := *refusal
	inCondition.Message = conditionPosition(refusal.Message)
	return fmt.Errorf("the hub rejects the condition: %w", &inCondition)
}

// showSelected prints the devices of a dry run.
func (a *app) showSelected(devices []selectedDevice, op operation) error {
	err := printList(a, devices, func() *ui.Table {
		t := &ui.Table{Head: []string{"DEVICE", "CONNECTION"}}
		for _, d := range devices {
			t.Add(d.DeviceID, d.ConnectionState)
		}
		return t
	})

	a.note("this would %s; nothing was sent", op.on(devices))
	return err
}
