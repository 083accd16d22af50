package query

import (
	"fmt"
	"strings"
	"testing"
)

// TestNothingOfTheTextIsInTheSQL checks that no part of a query's text becomes part of
// the SQL. The text must be in bound parameters only.
func TestNothingOfTheTextIsInTheSQL(t *testing.T) {
	const mark = "xyzzy"
	for _, text := range []string{
		"tags.xyzzy = 'xyzzy'", "xyzzy = 1", "tags['a\") OR 1=1 -- xyzzy'] = 'b'", "'xyzzy' = deviceId", "tags.a IN ['xyzzy', 1, null]",
		"deviceId IN ['xyzzy']", "CONTAINS(tags.xyzzy, 'xyzzy')", "IS_DEFINED(properties.desired.xyzzy)", "lastActivityTime > '2026-11-26'",
		"tags.xyzzy + properties.reported.xyzzy % 2 > -tags['xyzzy']", "IS_OBJECT(capabilities) AND x509Thumbprint.primaryThumbprint = 'xyzzy'",
		"NOT tags.xyzzy", "tags.xyzzy = properties.reported['xyzzy']", "properties.reported.$metadata.xyzzy.$lastUpdated > '2026-11-26 23:59:59'",
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}

		where, args := c.SQL(Devices)
		if strings.Contains(where, mark) || strings.ContainsAny(where, `"\`) {
			t.Errorf("%s is compiled to %s", text, where)
		}
		if n := strings.Count(where, "?"); n != len(args) {
			t.Errorf("%s: %d parameters and %d arguments: %s", text, n, len(args), where)
		}
	}

	q, err := Parse("SELECT tags.xyzzy AS xyzzy, properties.desired['xyzzy'] AS [[xyzzy 2]], xyzzy AS x FROM devices")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range q.Outputs() {
		if strings.Contains(o.SQL, mark) || strings.Count(o.SQL, "?") != len(o.Args) {
			t.Errorf("%s is compiled to %s with %v", o.Name, o.SQL, o.Args)
		}
	}
}

func TestSQL(t *testing.T) {
	for _, c := range []struct{ text, collection, want string }{
		{"*", Devices, "1 []"},
		{"deviceId = 'a'", Devices, "(d.id = ?) [a]"},
		{"tags.floor = 3", Devices, "(CASE WHEN json_type(d.tags, ?) IN ('integer', 'real') THEN json_extract(d.tags, ?) = ? END) [$.\"floor\" $.\"floor\" 3]"},
		{"deviceId = 3", Devices, "NULL []"},
		{"status = 'failed'", DeviceJobs, "(r.status = ?) [failed]"},
		{"status = 'enabled' AND NOT connectionState = 'Connected'", Devices, "((d.status = ?) AND (NOT (d.connection_state = ?))) [enabled Connected]"},
	} {
		condition, err := ParseCondition(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}

		where, args := condition.SQL(c.collection)
		if got := fmt.Sprintf("%s %v", where, args); got != c.want {
			t.Errorf("%s is compiled to\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}
