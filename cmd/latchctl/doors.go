package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/cmd/latchctl/words"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type doorsOptions struct {
	app   *app
	cmd   *cobra.Command
	ids   []string
	where string
}

func newDoors(a *app) *cobra.Command {
	o := &doorsOptions{app: a}
	cmd := &cobra.Command{
		Use:   "doors [--where CONDITION | ID...]",
		Short: "Show the state of all doors, trouble first",
		Long: "A door counts as locked only if it is connected and reports that it is secured: its\n" +
			"bolt is locked and it is not open. An offline door shows what it was before. The time\n" +
			"in the column SINCE comes from the door; a door does not report when a fault began.\n" +
			"A twin does not say who moved a door; 'latchctl events' shows this as it happens.",
		Example: `  latchctl doors
  latchctl doors --where "properties.desired.building = '43'"
  latchctl doors front-door back-door -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.ids = cmd, args
			return a.perform(cmd.Context(), o)
		},
	}

	addDoorFilter(cmd, &o.where)

	return cmd
}

// addDoorFilter adds the flag --where to a command that only reads doors.
func addDoorFilter(cmd *cobra.Command, where *string) {
	cmd.Flags().StringVarP(where, "where", "w", "*", "show only doors that meet `CONDITION`, the part of a query after WHERE")
}

// checkDoorFilter validates --where and device ids. A command may have either of them or
// none. It returns the ids without duplicates.
func checkDoorFilter(cmd *cobra.Command, where string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		if err := checkCondition("--where", where); err != nil {
			return nil, err
		}
		if n := utf8.RuneCountInString(fleet.QueryText(door.Fields, where)); n > rest.MaxQuery {
			return nil, usagef("--where is %d characters too long for IoT Hub; select the doors by a tag, or in several commands", n-rest.MaxQuery)
		}
		return nil, nil
	}

	s := selection{Selection: fleet.Selection{IDs: ids, Where: where}}
	err := s.check(cmd)
	return s.IDs, err
}

func (o *doorsOptions) run(ctx context.Context) error {
	ids, err := checkDoorFilter(o.cmd, o.where, o.ids)
	if err != nil {
		return err
	}
	f, err := o.app.fleet()
	if err != nil {
		return err
	}

	doors, err := readDoors(ctx, f, o.where, ids)
	if err != nil {
		return err
	}
	slices.SortFunc(doors, func(d, e door.Door) int {
		if d.State != e.State {
			return d.State.Rank() - e.State.Rank()
		}
		return d.Compare(e)
	})

	return o.show(doors)
}

// maxDoors is the maximum number of doors that a command reads. It bounds the memory that an
// answer of the hub can take.
const maxDoors = 100_000

// readDoors reads the doors that meet a condition, or the doors with the given ids if there
// are any. It returns an error for an id without a device.
func readDoors(ctx context.Context, f *fleet.Fleet, where string, ids []string) ([]door.Door, error) {
	conditions := []string{where}
	if len(ids) > 0 {
		conditions = nil
		for _, part := range rest.SplitDevices(ids, rest.MaxQuery-len(fleet.QueryText(door.Fields, " "))) {
			conditions = append(conditions, rest.DevicesIn(part))
		}
	}

	var doors []door.Door
	for _, condition := range conditions {
		for row, err := range f.Query(ctx, door.Fields, condition) {
			if err != nil {
				return nil, err
			}
			d, err := door.Parse(row)
			if err != nil {
				return nil, err
			}
			if len(doors) == maxDoors {
				return nil, fmt.Errorf("the hub returns more than %d doors; select fewer with --where", maxDoors)
			}
			doors = append(doors, d)
		}
	}

	found := make([]fleet.Device, len(doors))
	for i, d := range doors {
		found[i].DeviceID = d.ID
	}
	if missing := fleet.Missing(ids, found); len(missing) > 0 {
		return nil, fmt.Errorf("no such device: %s; see 'latchctl device list'", words.Names(missing))
	}

	return doors, nil
}

// listedDoor is a door as -o json prints it.
type listedDoor struct {
	DeviceID string     `json:"deviceId"`
	State    door.State `json:"state"`
	Since    *time.Time `json:"since,omitempty"` // when the state began, or what an offline door reported last
	Safe     bool       `json:"safe"`            // connected, secured and without trouble
	Building string     `json:"building,omitempty"`
	Floor    string     `json:"floor,omitempty"`
	Room     string     `json:"room,omitempty"`

	ConnectionState iothub.ConnectionState `json:"connectionState"`
	OfflineSince    *time.Time             `json:"offlineSince,omitempty"`
	Position        string                 `json:"position,omitempty"`
	Source          string                 `json:"source,omitempty"` // sensor or assumed
	Door            string                 `json:"door,omitempty"`   // open or closed
	Fault           string                 `json:"fault,omitempty"`
	Lockdown        bool                   `json:"lockdown,omitempty"`
	Pending         bool                   `json:"pending,omitempty"` // locks by itself as soon as it can
	Hold            bool                   `json:"hold,omitempty"`    // stays unlocked until somebody locks it
	ReleasedUntil   *time.Time             `json:"releasedUntil,omitempty"`
	LastCommand     *door.Command          `json:"lastCommand,omitempty"`
}

func newListedDoor(d door.Door) listedDoor {
	l := listedDoor{
		DeviceID: d.ID, State: d.State, Since: timeOrNil(d.Since), Safe: d.Safe(),
		Building: d.Building.Text, Floor: d.Floor.Text, Room: d.Room.Text,
		ConnectionState: iothub.Disconnected, OfflineSince: timeOrNil(d.OfflineSince), Position: d.Position, Fault: d.Fault,
		Lockdown: d.Lockdown, Pending: d.Pending, Hold: d.Hold, ReleasedUntil: timeOrNil(d.ReleasedUntil),
	}

	if d.Connected {
		l.ConnectionState = iothub.Connected
	}
	switch {
	case d.Assumed:
		l.Source = "assumed"
	case d.Position != "":
		l.Source = "sensor"
	}
	switch {
	case d.Open:
		l.Door = "open"
	case d.Closed:
		l.Door = "closed"
	}
	if d.LastCommand.Name != "" {
		l.LastCommand = &d.LastCommand
	}

	return l
}

// show prints doors and, in the format table, a summary line.
func (o *doorsOptions) show(doors []door.Door) error {
	a := o.app
	if a.format != "table" {
		listed := make([]listedDoor, len(doors))
		for i, d := range doors {
			listed[i] = newListedDoor(d)
		}
		return printList(a, listed, nil)
	}

	if len(doors) > 0 {
		if err := o.table(doors).Write(a.out, a.outWidth(), a.color()); err != nil {
			return err
		}
	}

	return a.printParagraph(doorSummary(doors))
}

// table returns the table of doors. A terminal shows an offline door in grey.
func (o *doorsOptions) table(doors []door.Door) *ui.Table {
	const grey = "90"
	t := &ui.Table{
		Head: []string{"DOOR", "STATE", "SINCE", "BUILDING", "FLOOR", "ROOM", "DETAILS"}, WrapLast: true,
		Style: stateStyle,
		RowStyle: func(row int) string {
			if doors[row].State == door.Offline {
				return grey
			}
			return ""
		},
	}

	for _, d := range doors {
		t.Add(d.ID, string(d.State), orDash(o.app.shortTime(d.Since)), orDash(d.Building.Text), orDash(d.Floor.Text), orDash(d.Room.Text), d.Details(o.app.shortTime))
	}
	return t
}

// stateStyle returns the terminal colour of a cell in the column STATE.
func stateStyle(column int, text string) string {
	const green, yellow, red = "32", "33", "31"

	state := door.State(text)
	switch {
	case column != 1:
		return ""
	case state == door.Locked:
		return green
	case state.Trouble():
		return red
	}

	return yellow
}

// doorSummary counts doors by state in one line, trouble first: "3 doors: 1 forced, 1
// offline, 1 locked".
func doorSummary(doors []door.Door) string {
	if len(doors) == 0 {
		return "no doors: no device meets the condition"
	}

	counts := make(map[door.State]int)
	for _, d := range doors {
		counts[d.State]++
	}

	var parts []string
	for _, s := range door.States {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}

	return words.Count(len(doors), "door") + ": " + strings.Join(parts, ", ")
}

// shortTime formats t in the user's time zone, in few characters: the time if t is today,
// the day and the time if t is in this year, else the date. It returns "" for the zero
// time.
func (a *app) shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	t, now := t.In(a.local), a.now().In(a.local)
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04")
	}

	return t.Format(time.DateOnly)
}
