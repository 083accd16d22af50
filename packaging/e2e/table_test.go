//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
	"text/tabwriter"
)

// row is one row in the table of results that TestMain prints.
type row struct {
	scenario      string
	trials        int
	seen, allowed string // observed value and allowed value
	failed        bool
}

// table collects one row for each call of record.
var table []row

// record adds a scenario's result to the table of results. It fails the test if ok is
// false.
func record(t *testing.T, ok bool, scenario string, trials int, seen, allowed string) {
	t.Helper()
	table = append(table, row{scenario, trials, seen, allowed, !ok})
	if !ok {
		t.Errorf("%s: %s, allowed %s", scenario, seen, allowed)
	}
}

// TestMain runs the tests and prints the table of their results.
func TestMain(m *testing.M) {
	status := m.Run()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nSCENARIO\tTRIALS\tSEEN\tALLOWED\tRESULT\n")
	for _, r := range table {
		result := "ok"
		if r.failed {
			result = "FAILED"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", r.scenario, r.trials, r.seen, r.allowed, result)
	}
	w.Flush()
	os.Exit(status)
}
