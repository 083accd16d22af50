package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/rest"
	"github.com/spf13/cobra"
)

type queryOptions struct {
	app   *app
	text  string
	limit int
}

func newQuery(a *app) *cobra.Command {
	o := &queryOptions{app: a}
	cmd := &cobra.Command{
		Use:   "query 'SELECT ...'",
		Short: "Query devices and jobs",
		Example: `  latchctl query "SELECT deviceId, properties.desired.floor FROM devices WHERE properties.desired.building = '43'"
  latchctl query "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'lock-43'" -o jsonl`,
		Args: exactArgs("the query"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.text = args[0]
			return a.perform(cmd.Context(), o)
		},
	}

	cmd.Flags().IntVar(&o.limit, "limit", 0, "show at most `N` rows; 0 shows all")

	return cmd
}

func (o *queryOptions) run(ctx context.Context) error {
	if o.limit < 0 {
		return usagef("--limit %d: want 0 or more", o.limit)
	}
	if n := utf8.RuneCountInString(o.text); n > rest.MaxQuery {
		return usagef("the query has %d characters, and IoT Hub accepts %d; ask several shorter queries", n, rest.MaxQuery)
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}

	// With jsonl, print each row when it arrives, so that a large result need not fit
	// into memory.
	stream := o.app.format == "jsonl"
	var rows []json.RawMessage
	n := 0
	for row, err := range client.Query(ctx, o.text) {
		if err != nil {
			return err
		}
		if !stream {
			rows = append(rows, row)
		} else if err := printLine(o.app.out, row); err != nil {
			return err
		}
		if n++; n == o.limit {
			break
		}
	}
	if stream {
		return nil
	}

	return printList(o.app, rows, func() *ui.Table { return rowTable(rows) })
}

// rowTable returns a table of query rows. It has one column for each JSON member that
// occurs in a row, except hiddenMembers, in the order of their first occurrence.
func rowTable(rows []json.RawMessage) *ui.Table {
	t := &ui.Table{CutAny: true}
	column := make(map[string]int)

	for _, row := range rows {
		cells := make([]string, len(t.Head))
		for _, m := range members(row) {
			if hiddenMembers[m.name] {
				continue
			}

			i, ok := column[m.name]
			if !ok {
				i = len(t.Head)
				column[m.name] = i
				t.Head = append(t.Head, m.name)
			}
			for len(cells) <= i {
				cells = append(cells, "")
			}
			cells[i] = m.text
		}
		t.Add(cells...)
	}

	if len(t.Head) == 0 {
		t.Head = []string{"no rows"}
		t.Rows = nil
	}

	return t
}

// hiddenMembers names the members that tables leave out, because only the hub needs
// them. -o json prints them.
var hiddenMembers = map[string]bool{
	"etag": true, "deviceEtag": true, "statusUpdateTime": true, "cloudToDeviceMessageCount": true, "x509Thumbprint": true,
	"authenticationType": true, "capabilities": true, "version": true, "modelId": true, "lastActivityTime": true,
	"createdDateTimeUtc": true, "lastUpdatedDateTimeUtc": true, "jobType": true,
}

// member is a member of a JSON object, with its value as a table shows it.
type member struct{ name, text string }

// members returns the members of a JSON object in their original order. For any other
// JSON value it returns one member with the name "value".
func members(row json.RawMessage) []member {
	d := json.NewDecoder(bytes.NewReader(row))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return []member{{"value", valueText(row)}}
	}

	var all []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
		all = append(all, member{name.(string), valueText(value)})
	}

	return all
}

// valueText formats a JSON value for a table: a string without quotes, null as a dash,
// and an object without the hub's $metadata and $version.
func valueText(value json.RawMessage) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(value)
	}

	if s, ok := v.(string); ok {
		return s
	}
	if v == nil {
		return "-"
	}

	text, err := json.Marshal(withoutDollar(v))
	if err != nil {
		return string(value)
	}

	return string(text)
}

// withoutDollar removes, at every level of v, the members whose name begins with $,
// and returns v.
func withoutDollar(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if strings.HasPrefix(k, "$") {
				delete(v, k)
			} else {
				v[k] = withoutDollar(inner)
			}
		}

	case []any:
		for i := range v {
			v[i] = withoutDollar(v[i])
		}
	}

	return v
}
