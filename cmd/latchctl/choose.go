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
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

// selected is a device that a condition selects.
type selected struct {
	DeviceID        string `json:"deviceId"`
	ConnectionState string `json:"connectionState"`
}

// choice is which devices a command is for, and how sure the user is.
type choice struct {
	ids    []string // either these, or
	where  string   // those that this condition selects
	yes    bool     // do not ask
	dryRun bool     // only show
}

// addFlags adds the flags that choose devices.
func (c *choice) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.where, "where", "w", "", "the devices that `CONDITION` selects, as after WHERE in a query; '*' for all")
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask, however many devices it is for")
	cmd.Flags().BoolVarP(&c.dryRun, "dry-run", "n", false, "only show which devices it would be for")
}

// check looks at the choice before anything is sent.
func (c *choice) check(cmd *cobra.Command) error {
	if len(c.ids) == 0 {
		if !cmd.Flags().Changed("where") {
			return usagef(cmd, "which devices? %s", howToChoose(cmd))
		}
		return checkCondition(cmd, "--where", c.where)
	}
	if cmd.Flags().Changed("where") {
		return usagef(cmd, "give --where CONDITION or device ids, not both")
	}
	seen := make(map[string]bool)
	ids := c.ids[:0:0]
	for _, id := range c.ids {
		if err := deviceID(cmd, id); err != nil {
			return err
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	c.ids = ids
	return nil
}

func howToChoose(cmd *cobra.Command) string {
	if strings.Contains(cmd.Use, "ID...") {
		return "give their ids, or --where CONDITION"
	}
	return "give --where CONDITION"
}

// condition is the job's condition.
func (c *choice) condition() string {
	if len(c.ids) > 0 {
		return rest.DevicesIn(c.ids)
	}
	return c.where
}

// errNothingDone ends a command at which the user shook the head.
var errNothingDone = errors.New("not confirmed: nothing was done")

// settle looks up the devices where that is needed, asks where that is due, and
// reports whether to go on.
func (a *app) settle(ctx context.Context, cmd *cobra.Command, client *rest.Client, c choice, what work) (bool, error) {
	if c.yes && !c.dryRun && len(c.ids) == 0 {
		return true, nil
	}
	devices, err := a.selectDevices(ctx, client, c.condition())
	if err != nil {
		return false, err
	}
	if missing := c.missing(devices); len(missing) > 0 {
		return false, fmt.Errorf("no such device: %s (a new one can take a moment to be found); nothing was sent", strings.Join(missing, ", "))
	}
	if len(devices) == 0 {
		return false, fmt.Errorf("the condition selects no device; nothing was sent")
	}
	if c.dryRun {
		return false, a.showSelected(devices, what.verb)
	}
	if err := a.agree(ctx, cmd, devices, c.yes, what); err != nil || len(c.ids) > 0 || !a.asks(len(devices), c.yes, what) {
		return err == nil, err
	}
	// The question may have stood there for a while.
	now, err := a.selectDevices(ctx, client, c.where)
	if err != nil {
		return false, err
	}
	if !sameDevices(devices, now) {
		return false, fmt.Errorf("the condition now selects other devices than those that were shown: %s (%s); nothing was sent",
			plural(len(now), "device"), fewIDs(now))
	}
	return true, nil
}

func sameDevices(a, b []selected) bool {
	ids := func(devices []selected) []string {
		var ids []string
		for _, d := range devices {
			ids = append(ids, d.DeviceID)
		}
		slices.Sort(ids)
		return ids
	}
	return slices.Equal(ids(a), ids(b))
}

// asks reports whether a question is due: for many devices, and for more than
// one unlock.
func (a *app) asks(devices int, yes bool, what work) bool {
	return !yes && (devices > a.confirmAbove || what.unlocks && devices > 1)
}

// agree asks where that is due.
func (a *app) agree(ctx context.Context, cmd *cobra.Command, devices []selected, yes bool, what work) error {
	if !a.asks(len(devices), yes, what) {
		return nil
	}
	return a.confirm(ctx, cmd, fmt.Sprintf("%s %s (%s)", what.verb, plural(len(devices), "device"), fewIDs(devices)))
}

// selectDevices asks the hub which devices a condition selects.
func (a *app) selectDevices(ctx context.Context, client *rest.Client, where string) ([]selected, error) {
	var devices []selected
	for row, err := range client.Query(ctx, selectText("deviceId, connectionState", where)) {
		if err != nil {
			var refusal *iothub.Error
			if errors.As(err, &refusal) && refusal.Status == 400 {
				moved := *refusal
				moved.Message = conditionPosition(refusal.Message)
				return nil, fmt.Errorf("the hub does not take the condition: %w", &moved)
			}
			return nil, err
		}
		var d selected
		if err := json.Unmarshal(row, &d); err != nil || d.DeviceID == "" {
			return nil, fmt.Errorf("the hub's answer names no device: %s", ui.Cut(string(row), 80))
		}
		devices = append(devices, d)
	}
	return devices, nil
}

func (c *choice) missing(devices []selected) []string {
	found := make(map[string]bool)
	for _, d := range devices {
		found[d.DeviceID] = true
	}
	var missing []string
	for _, id := range c.ids {
		if !found[id] {
			missing = append(missing, id)
		}
	}
	return missing
}

// confirm asks on the terminal. Elsewhere --yes has to say it.
func (a *app) confirm(ctx context.Context, cmd *cobra.Command, what string) error {
	if !a.inTerminal || !a.errTerminal {
		return &usageError{err: fmt.Errorf("this would %s; add --yes to do so without being asked", what)}
	}
	question := ui.Clean(strings.ToUpper(what[:1])+what[1:]) + "? [y/N]"
	fmt.Fprint(a.errOut, strings.Join(ui.Paragraph(question, a.errWidth()), "\n")+" ")
	answer := make(chan string, 1)
	go func() { // reading cannot be interrupted
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
	return errNothingDone
}

// showSelected prints the devices of a dry run.
func (a *app) showSelected(devices []selected, verb string) error {
	err := printList(a, devices, func() *ui.Table {
		t := &ui.Table{Head: []string{"DEVICE", "CONNECTION"}}
		for _, d := range devices {
			t.Add(d.DeviceID, d.ConnectionState)
		}
		return t
	})
	a.note("this would %s %s; nothing was sent", verb, plural(len(devices), "device"))
	return err
}

// fewIDs names the first devices.
func fewIDs(devices []selected) string {
	var ids []string
	for i, d := range devices {
		if i == 5 && len(devices) > 6 {
			ids = append(ids, fmt.Sprintf("and %d more", len(devices)-i))
			break
		}
		ids = append(ids, d.DeviceID)
	}
	return strings.Join(ids, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
