package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/spf13/cobra"
)

type queryOptions struct {
	app   *app
	cmd   *cobra.Command
	text  string
	limit int
}

func newQuery(a *app, run func(context.Context, *queryOptions) error) *cobra.Command {
	if run == nil {
		run = runQuery
	}
	o := &queryOptions{app: a}
	cmd := &cobra.Command{
		Use:   "query 'SELECT ...'",
		Short: "Query devices and jobs",
		Example: `  latchctl query "SELECT deviceId, tags.floor FROM devices WHERE tags.building = '43'"
  latchctl query "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'lock-43'" -o jsonl`,
		Args: named("the query"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.text = cmd, args[0]
			return run(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.limit, "limit", 0, "show at most `N` rows; 0 is all")
	return cmd
}

func runQuery(ctx context.Context, o *queryOptions) error {
	if o.limit < 0 {
		return usagef(o.cmd, "--limit %d: want 0 or more", o.limit)
	}
	client, err := o.app.client()
	if err != nil {
		return err
	}
	var rows []json.RawMessage
	n := 0
	for row, err := range client.Query(ctx, o.text) {
		if err != nil {
			return err
		}
		if o.app.format == "jsonl" { // as they come, however many
			err = printLine(o.app.out, row)
		} else {
			rows = append(rows, row)
		}
		if err != nil {
			return err
		}
		if n++; n == o.limit {
			break
		}
	}
	if o.app.format == "jsonl" {
		return nil
	}
	return printList(o.app, rows, func() *ui.Table { return rowTable(rows) })
}

// rowTable shows rows of any form: a column for each member, in the order in
// which they first appear. What is the hub's own bookkeeping is left to -o json.
func rowTable(rows []json.RawMessage) *ui.Table {
	t := &ui.Table{CutAny: true}
	column := make(map[string]int)
	for _, row := range rows {
		cells := make([]string, len(t.Head))
		for _, m := range members(row) {
			if hidden[m.name] {
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

var hidden = map[string]bool{
	"etag": true, "deviceEtag": true, "statusUpdateTime": true, "cloudToDeviceMessageCount": true, "x509Thumbprint": true,
	"authenticationType": true, "capabilities": true, "version": true, "modelId": true, "lastActivityTime": true,
	"createdDateTimeUtc": true, "lastUpdatedDateTimeUtc": true, "jobType": true,
}

type member struct{ name, text string }

// members returns the members of a JSON object in their order. What is no
// object is one member of the name "value".
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

// valueText writes a value without quotes around a string, and an object
// without the hub's $metadata and $version.
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
