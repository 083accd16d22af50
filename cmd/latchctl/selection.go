package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/spf13/cobra"
)

// selection holds the flags and arguments that select devices, and the flags --yes
// and --dry-run.
type selection struct {
	fleet.Selection
	dryRun bool // list the devices and send nothing
}

// addFlags adds the flags that select devices.
func (s *selection) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.Where, "where", "w", "", "select devices by `CONDITION`, the part of a query after WHERE; '*' selects all")
	s.addConfirmationFlags(cmd)
}

// addConfirmationFlags adds --yes and --dry-run.
func (s *selection) addConfirmationFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&s.Yes, "yes", "y", false, "skip the confirmation")
	cmd.Flags().BoolVarP(&s.dryRun, "dry-run", "n", false, "list the selected devices and send nothing")
}

// check validates the selection and removes duplicate ids. It sends no request.
func (s *selection) check(cmd *cobra.Command) error {
	if len(s.IDs) == 0 {
		if !cmd.Flags().Changed("where") {
			return usagef("no device is selected; %s", howToSelect(cmd))
		}
		return checkCondition("--where", s.Where)
	}
	if cmd.Flags().Changed("where") {
		return usagef("give --where CONDITION or device ids, not both")
	}

	var ids []string
	for _, id := range s.IDs {
		if err := checkDeviceID(id); err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	s.IDs = ids

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

// confirm asks the user on the terminal whether to do an action. It returns
// errNotConfirmed unless the answer is yes. Without a terminal it returns an error that
// recommends --yes.
func (a *app) confirm(ctx context.Context, action string) error {
	return a.ask(ctx, action, "--yes to skip the confirmation")
}

// ask works like confirm. Without a terminal its error recommends the given flag.
func (a *app) ask(ctx context.Context, action, flag string) error {
	if !a.inTerminal || !a.errTerminal {
		return &usageError{err: fmt.Errorf("this would %s; add %s", action, flag)}
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

// showSelected prints the devices of a dry run.
func (a *app) showSelected(f *fleet.Fleet, devices []fleet.Device, op fleet.Operation) error {
	err := printList(a, devices, func() *ui.Table {
		t := &ui.Table{Head: []string{"DEVICE", "CONNECTION"}}
		for _, d := range devices {
			t.Add(d.DeviceID, d.ConnectionState)
		}
		return t
	})

	a.note("this would %s; nothing was sent", f.Describe(op, len(devices)))
	return err
}
