package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/door"
	"github.com/latchd/latchd/cmd/latchctl/events"
	"github.com/latchd/latchd/transport/termtext"
	"github.com/spf13/cobra"
)

type eventsOptions struct {
	app   *app
	cmd   *cobra.Command
	ids   []string
	where string
	types []string
	limit int
}

func newEvents(a *app) *cobra.Command {
	o := &eventsOptions{app: a}
	cmd := &cobra.Command{
		Use:   "events [--where CONDITION | ID...]",
		Short: "Follow what happens at doors, until you press Ctrl-C",
		Long: "latchhub streams the events of its doors: alarms, motions, who sent which command, and\n" +
			"connections. After a failure, latchctl connects again. The hub keeps the latest events\n" +
			"for two minutes, and loses them when it stops: latchctl says if events may be missing.\n" +
			"Azure IoT Hub does not stream events to latchctl: it then reads the twins every 10\n" +
			"seconds, less often for more than 1,000 doors, and derives events. It does not see who\n" +
			"moved a door, and misses changes that a door reverses in between.\n" +
			"The name of a person is what the person claimed. A door repeats an event if it does\n" +
			"not know that the hub has received it.\n" +
			"The types are " + wrapWords(events.Types, 14, 80) + ".",
		Example: `  latchctl events
  latchctl events --type forced,heldOpen,jammed
  latchctl events --where "properties.desired.building = '43'" -o jsonl | jq -r 'select(.type == "command") | .by'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.ids = cmd, args
			return a.perform(cmd.Context(), o)
		},
	}

	addDoorFilter(cmd, &o.where)
	cmd.Flags().StringSliceVar(&o.types, "type", nil, "show only events of these `TYPES`, separated by commas")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "end after `N` events; 0 follows until you press Ctrl-C")

	return cmd
}

// wrapWords joins words with commas, in lines of at most width characters. column is the
// length of the text in front of them.
func wrapWords(names []string, column, width int) string {
	var text strings.Builder
	for i, name := range names {
		if i > 0 {
			text.WriteString(",")
			column++
		}
		switch {
		case i > 0 && column+1+len(name) > width:
			text.WriteString("\n")
			column = 0
		case i > 0:
			text.WriteString(" ")
			column++
		}
		text.WriteString(name)
		column += len(name)
	}

	return text.String()
}

func (o *eventsOptions) run(ctx context.Context) error {
	ids, err := checkDoorFilter(o.cmd, o.where, o.ids)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	f := o.app.fleetOf(client)

	shown := 0
	return events.Follow(ctx, events.Options{
		Hub:   client,
		Doors: func(ctx context.Context) ([]door.Door, error) { return readDoors(ctx, f, o.where, ids) },
		All:   len(ids) == 0 && strings.TrimSpace(o.where) == "*",
		Types: o.types,
		Now:   o.app.now,
		Sleep: o.app.sleep,
		Note:  o.app.note,
		Time:  func(t time.Time) string { return t.In(o.app.local).Format(time.TimeOnly) },
	}, func(e events.Event) error {
		if err := o.show(e); err != nil {
			return err
		}
		if shown++; shown == o.limit {
			return events.ErrDone
		}
		return nil
	})
}

// check validates --type, --limit and --output.
func (o *eventsOptions) check() error {
	if err := events.CheckTypes(o.types); err != nil {
		return usagef("--type: %w", err)
	}
	if o.limit < 0 {
		return usagef("--limit %d: want 0 or more", o.limit)
	}
	if o.app.format == "json" {
		return usagef("-o json: events never end; use -o jsonl, which prints one object per line")
	}

	return nil
}

// show prints an event: as an object, or as a line of a table whose columns have fixed
// widths, because the next events are not known.
func (o *eventsOptions) show(e events.Event) error {
	a := o.app
	if a.format == "jsonl" {
		return printLine(a.out, e)
	}

	kind := fmt.Sprintf("%-12s", e.Type)
	if a.color() && e.Alarm() {
		kind = "\x1b[31m" + kind + "\x1b[0m"
	}
	line := fmt.Sprintf("%s  %-16s  %s  %s", e.Time.In(a.local).Format("2006-01-02 15:04:05"), termtext.Clean(e.DeviceID), kind, e.Details())

	_, err := fmt.Fprintln(a.out, strings.TrimRight(line, " "))
	return err
}
