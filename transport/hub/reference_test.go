package hub_test

import (
	"flag"
	"regexp"
	"testing"

	"github.com/latchd/latchd/packaging/test/reference"
	"github.com/latchd/latchd/transport/hub"
)

var updateReference = flag.Bool("update", false, "write the section of the reference")

// TestReference writes the metrics of a running hub into the reference.
func TestReference(t *testing.T) {
	t.Parallel()

	r := startWith(t, t.TempDir(), func(o *hub.Options) { o.Metrics = "127.0.0.1:0" })
	rows := [][]string{{"metric", "type", "meaning"}}
	for _, m := range regexp.MustCompile(`(?m)^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$`).FindAllStringSubmatch(scrape(t, r), -1) {
		rows = append(rows, []string{"`" + m[1] + "`", m[3], m[2]})
	}

	if len(rows) < 5 {
		t.Fatalf("the hub serves too few metrics: %q", rows)
	}
	reference.Check(t, "metrics", reference.Table(rows), *updateReference)
}
