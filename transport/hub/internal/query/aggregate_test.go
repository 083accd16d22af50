package query_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
)

// groupOf returns a text for a value. The text is the same for values that the query
// language treats as equal.
func groupOf(v any) string {
	if _, ok := v.(undefined); ok {
		return "undefined"
	}
	text, _ := json.Marshal(v) // 3 and 3.0 are the same float64
	return string(text)
}

// aggregateRows computes the rows of an aggregating query. It is a second, simple
// implementation, and the compiled SQL must give the same rows.
func aggregateRows(q *query.Query, documents []map[string]any) []map[string]any {
	groups := make(map[string][]map[string]any)
	for _, d := range documents {
		if q.Where != nil && evaluate(q.Where.Root, d) != true {
			continue
		}
		key := ""
		for _, path := range q.GroupBy {
			key += groupOf(lookUp(d, path.Names)) + "\x00"
		}
		groups[key] = append(groups[key], d)
	}
	if len(q.GroupBy) == 0 && len(groups) == 0 {
		groups[""] = nil // without GROUP BY there is one row, even if there are no documents
	}

	var rows []map[string]any
	for _, members := range groups {
		row := make(map[string]any)
		for _, c := range q.Columns {
			var v any = undefined{}
			switch e := c.Expr.(type) {
			case *query.Path:
				v = lookUp(members[0], e.Names)
			case *query.Aggregate:
				v = aggregate(e, members)
			}
			if _, ok := v.(undefined); !ok {
				row[c.Name] = v
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// aggregate computes one aggregate of the documents in a group.
func aggregate(a *query.Aggregate, members []map[string]any) any {
	if a.X == nil {
		return float64(len(members))
	}

	var numbers []float64
	sum := new(big.Float).SetPrec(2200) // exact for numbers from 1e-308 to 1e308
	size := 0.0                         // sum of the absolute values
	for _, d := range members {
		if n, ok := lookUp(d, a.X.Names).(float64); ok {
			numbers = append(numbers, n)
			sum.Add(sum, big.NewFloat(n))
			size += math.Abs(n)
		}
	}
	if len(numbers) == 0 {
		return undefined{}
	}

	total, _ := sum.Float64()
	count := float64(len(numbers))
	switch a.Name {
	case "SUM":
		return near{total, size * 1e-12}
	case "AVG":
		return near{total / count, size / count * 1e-12}
	case "MIN":
		return slices.Min(numbers)
	}
	return slices.Max(numbers)
}

// near is an expected number with a tolerance, because the rounding error of a sum
// depends on the order of its terms.
type near struct{ value, tolerance float64 }

// compareGroups checks that the store returns the same rows as aggregateRows, in any
// order.
func compareGroups(t *testing.T, s *store.Store, documents []map[string]any, text string) {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	var got []map[string]any
	for _, raw := range run(t, s, text) {
		var row map[string]any
		if err := json.Unmarshal(raw, &row); err != nil {
			t.Fatalf("%s: %v in %s", text, err, raw)
		}
		got = append(got, row)
	}

	want := aggregateRows(q, documents)
	for _, row := range want {
		i := slices.IndexFunc(got, func(g map[string]any) bool { return maps.EqualFunc(g, row, agrees) })
		if i < 0 {
			t.Fatalf("%s\nreturns %v\nwithout the row %v", text, got, row)
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		t.Fatalf("%s\nreturns additional rows %v", text, got)
	}
}

// agrees reports whether a value from the store equals the expected one.
func agrees(got, want any) bool {
	if n, ok := want.(near); ok {
		x, ok := got.(float64)
		return ok && math.Abs(x-n.value) <= n.tolerance
	}
	return groupOf(got) == groupOf(want)
}

func TestAggregatesAgreeWithTheSimpleEvaluator(t *testing.T) {
	t.Parallel()
	s, documents := twins(t, 60)
	for _, text := range []string{
		"SELECT COUNT() AS n FROM devices WHERE false",
		"SELECT SUM(tags.a) AS s, COUNT() AS n FROM devices WHERE false",
		"SELECT SUM(tags.a) AS s, AVG(tags.a) AS a, MIN(tags.a) AS l, MAX(tags.a) AS h FROM devices WHERE tags.a < 1e200",
		"SELECT MIN(deviceId) AS m, SUM(nothing) AS s, MAX(tags) AS t, SUM(properties.desired.$version) AS v FROM devices",
		"SELECT tags.a, COUNT() AS n FROM devices GROUP BY tags.a",
		"SELECT tags.a, tags.b AS b, MAX(version) AS n FROM devices GROUP BY tags.b, tags.a",
		"SELECT DEVICEID AS id, COUNT() AS n FROM devices GROUP BY deviceId",
		"SELECT tags['q\"uote'] AS q, COUNT() AS n FROM devices WHERE IS_DEFINED(tags.a) GROUP BY tags['q\"uote']",
		"SELECT nothing, COUNT() AS n FROM devices GROUP BY nothing, capabilities.iotEdge",
		"SELECT capabilities.iotEdge AS e, COUNT() AS n FROM devices GROUP BY capabilities.iotEdge",
		"SELECT COUNT() AS n FROM devices WHERE false GROUP BY tags.a",
		"SELECT COUNT() AS n FROM devices WHERE false GROUP BY nothing",
	} {
		compareGroups(t, s, documents, text)
	}
}

// FuzzAggregates makes aggregating queries from the fuzzer's bytes. The store and
// aggregateRows must return the same rows.
func FuzzAggregates(f *testing.F) {
	s, documents := twins(f, 60)
	random := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		seed := make([]byte, 40)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, seed []byte) {
		g := generator{seed}
		var columns, groups []string
		for i := range g.pick(3) {
			groups = append(groups, g.property())
			columns = append(columns, fmt.Sprintf("%s AS g%d", groups[i], i))
		}
		for i := range 1 + g.pick(3) {
			a := "COUNT()"
			if k := g.pick(5); k < 4 {
				a = []string{"SUM", "AVG", "MIN", "MAX"}[k] + "(" + g.property() + ")"
			}
			columns = append(columns, fmt.Sprintf("%s AS a%d", a, i))
		}

		text := "SELECT " + strings.Join(columns, ", ") + " FROM devices WHERE " + g.condition(2)
		if len(groups) > 0 {
			text += " GROUP BY " + strings.Join(groups, ", ")
		}
		compareGroups(t, s, documents, text)
	})
}

// property returns a random operand that is a property.
func (g *generator) property() string {
	for range 20 {
		if o := g.operand(0); strings.ContainsAny(o[:1], "tpdcevna") && !slices.Contains([]string{"true", "null", "undefined"}, o) {
			return o
		}
	}
	return "tags.a"
}
