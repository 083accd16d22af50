//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
	"text/tabwriter"
)

// row is a line of the table that is printed at the end.
type row struct {
	scenario      string
	trials        int
	seen, allowed string
	failed        bool
}

// table collects what the tests have seen.
var table []row

// record takes down what a scenario has seen, and fails the test if it is too much.
func record(t *testing.T, ok bool, scenario string, trials int, seen, allowed string) {
	t.Helper()
	table = append(table, row{scenario, trials, seen, allowed, !ok})
	if !ok {
		t.Errorf("%s: %s, allowed %s", scenario, seen, allowed)
	}
}

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
