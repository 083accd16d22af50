package query_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// Names and values of properties for the test twins. All are chosen because SQL or JSON
// paths could easily misread them.
var (
	names = []string{"a", "b", `q"uote`, `back\slash`, "it's", "größe", "日本", "a-b", "[0]", "#", "*", "\u2028", "A", "null", "1"}
	// Names that a query can contain, but a twin cannot.
	absent = []string{"a.b", "a b", "$", `$."a"`, `a"."b`, "$metadata"}
	values = []string{`3`, `3.0`, `3.5`, `"3"`, `0`, `-1`, `1`, `true`, `false`, `null`, `""`, `"a"`, `"A"`, `"ab"`, `"é"`, `"true"`,
		`"it's \"q\" \\"`, `"100%_"`, `"\u0001"`, `"a\u0000b"`, `"\ud83d\ude00"`, `4503599627370495`, `-4503599627370496`, `0.1`, `1e300`, `1E2`,
		`[]`, `["a"]`, `{}`, `"2026-11-23"`}
)

// twins opens a store with n small twins and returns the twins as documents. The twins
// are random, but they are the same in every run.
func twins(tb testing.TB, n int) (*store.Store, []map[string]any) {
	tb.Helper()
	s, err := store.Open(filepath.Join(tb.TempDir(), "hub.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })

	random := rand.New(rand.NewPCG(1, 2))
	object := func() iothub.Object {
		var members []string
		for _, n := range names {
			if random.IntN(2) == 0 {
				v := values[random.IntN(len(values))]
				if random.IntN(5) == 0 {
					v = `{"a":` + v + `,"b":` + values[random.IntN(len(values))] + `}`
				}
				key, _ := json.Marshal(n)
				members = append(members, string(key)+":"+v)
			}
		}
		o, err := iothub.ParseObject([]byte("{" + strings.Join(members, ",") + "}"))
		if err != nil {
			tb.Fatal(err)
		}
		return o
	}

	for i := range n {
		id := fmt.Sprintf("door-%02d", i)
		if _, err := s.CreateDevice(tb.Context(), iothub.DeviceIdentity{DeviceID: id}); err != nil {
			tb.Fatal(err)
		}
		if i%10 == 9 {
			continue // this twin keeps its empty sections
		}
		patch := iothub.TwinPatch{Tags: object(), Properties: &iothub.TwinPatchProperties{Desired: object()}}
		if _, err := s.UpdateTwin(tb.Context(), id, patch, "", false, nil); err != nil {
			tb.Fatal(err)
		}
		if _, err := s.Report(tb.Context(), id, object(), 0); err != nil {
			tb.Fatal(err)
		}
	}

	rows := run(tb, s, "SELECT * FROM devices")
	var documents []map[string]any
	for _, row := range rows {
		var d map[string]any
		if err := json.Unmarshal(row, &d); err != nil {
			tb.Fatal(err)
		}
		documents = append(documents, d)
	}
	return s, documents
}

// run returns all rows of a query from the store.
func run(tb testing.TB, s *store.Store, text string) []json.RawMessage {
	tb.Helper()
	q, err := query.Parse(text)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	rows, next, err := s.QueryTwins(tb.Context(), q, 0, "")
	if err != nil || next != "" {
		tb.Fatalf("%s: %v (next page: %q)", text, err, next)
	}
	return rows
}

// compareSelection checks that the store and the simple evaluator select the same
// devices.
func compareSelection(t *testing.T, s *store.Store, documents []map[string]any, condition string) {
	t.Helper()
	text := "SELECT deviceId FROM devices WHERE " + condition
	var got []string
	for _, row := range run(t, s, text) {
		var d struct{ DeviceID string }
		if err := json.Unmarshal(row, &d); err != nil {
			t.Fatal(err)
		}
		got = append(got, d.DeviceID)
	}

	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := selected(q.Where.Root, documents)

	if !slices.Equal(got, want) {
		where, args := q.Where.SQL(query.Devices)
		t.Fatalf("%s\nselects %v\nwant    %v\nas %s\nwith %q", text, got, want, where, args)
	}
}

// TestSQLAgreesWithTheSimpleEvaluator tests conditions that were written by hand. Some
// of them must not select any device.
func TestSQLAgreesWithTheSimpleEvaluator(t *testing.T) {
	t.Parallel()
	s, documents := twins(t, 60)
	for _, condition := range []string{
		"tags.a = 3", "tags.a = '3'", "tags.a != '3'", "NOT tags.a = '3'", "tags.a = true", "tags.a = 1", "tags.a != 1",
		"tags.a = null", "tags.a != null", "NOT tags.a != null", "tags.a IN [null, 'a', 3, true]", "tags.a NIN [null, 'a', 3, true]",
		"tags.a", "NOT tags.a", "tags.a OR tags.b", "tags.missing = 1 OR tags.a = 3", "NOT (tags.missing = 1 AND tags.a = 3)",
		"tags.a = undefined", "NOT tags.a = undefined", "tags.a < 'b'", "tags.a >= 3", "3 <= tags.a", "tags.a < tags.b", "tags.a = tags.b",
		"NOT tags.a = tags.b", "tags.a.b = tags.b", "properties.desired.a = properties.reported.a", "properties.desired.$version = 2",
		`tags['q"uote'] = 'a'`, `tags['back\\slash'] = 'a'`, `tags['it\'s'] = 'a'`, "tags.größe = 'é'", "tags['[0]'] = 3", "tags['a.b'] = 3",
		`tags['$."a"'] = 3`, `IS_DEFINED(tags['a"."b'])`, "IS_DEFINED(tags.a)", "IS_OBJECT(tags.a)", "IS_ARRAY(tags.a)", "IS_NULL(tags.a)",
		"IS_PRIMITIVE(tags.a)", "IS_NUMBER(tags.a)", "IS_STRING(tags.a)", "IS_BOOL(tags.a = 1)", "STARTS_WITH(tags.a, 'a')", "ENDS_WITH(tags.a, 'b')",
		"CONTAINS(tags.a, '%')", "STARTS_WITH(tags.a, '')", "ENDS_WITH(tags.a, '')", "ENDS_WITH(deviceId, tags.a)", "STARTS_WITH(deviceId, 'door-1')", "deviceId = 'door-07'",
		"DEVICEID > 'door-50'", "DeviceId IN ['door-01', 'door-02', 'nobody', 3]", "deviceId = 3", "deviceId NIN [3]", "deviceId NIN ['door-01']", "DeviceID = tags.a",
		"connectionState = 'Disconnected'", "version = 4", "version IN [4, '4']", "etag = 'AAAAAAAAAAI='", "nothing = 1", "NOT nothing = 1", "IS_DEFINED(nothing)", "IS_DEFINED(properties)",
		"(tags.a = 3) = true", "(tags.a = 3) != tags.b", "(tags.a = 3) IN [true, false]", "true", "false", "null", "3", "'a'", "NOT 'a'",
		"tags.a = 'it\\'s \"q\" \\\\'", `tags.a = '\ud83d\ude00'`, "tags.a = 4503599627370495", "tags.a > 1e299", "tags.a = 100",
		"deviceId = 'x\\' OR 1=1 --'", "TAGS.a = 3", "tags.A = 3", "deviceId IN []", "properties.reported.$metadata.a.$lastUpdated > '2020-01-01'",
		"IS_DEFINED(tags)", "IS_OBJECT(tags)", "NOT IS_DEFINED(tags)", "IS_OBJECT(properties)", "IS_OBJECT(properties.desired)", "IS_DEFINED(properties.reported.$metadata)",
		"IS_OBJECT(capabilities)", "IS_BOOL(capabilities.iotEdge)", "IS_DEFINED(capabilities.x)", "IS_OBJECT(x509Thumbprint)", "IS_NULL(x509Thumbprint.primaryThumbprint)",
		"x509Thumbprint.secondaryThumbprint = null", "IS_DEFINED(X509THUMBPRINT.primaryThumbprint.x)", "IS_DEFINED(statusReason)", "IS_STRING(modelId)",
		"IS_STRING(lastActivityTime)", "IS_PRIMITIVE(statusUpdateTime)", "IS_NUMBER(cloudToDeviceMessageCount)", "properties = tags", "properties != null",
		"tags.a + 1 = 4", "tags.a - tags.b > 0", "tags.a * 2 + 1 > tags.b", "tags.a / tags.b >= 1", "tags.a / 0 = 1 OR NOT tags.a / 0 = 1", "tags.a % 2 = 1",
		"tags.a % 2 IN [0, 1, 'a', null]", "tags.a % 0 = 0 OR true", "-tags.a < 0", "+tags.a = 3", "- -tags.a = 3", "-properties.desired.$version < -1", "IS_NUMBER(tags.a * tags.b)",
		"NOT IS_DEFINED(tags.a + tags.b)", "tags.a + 'x' = 'ax'", "tags.a + tags.a = 'aa'", "'a' + 'b' = 'ab'", "tags.a * 1e10 > 1e300", "tags.a * 1e308 - tags.a * 1e308 = 0",
		"tags.a / 2 = 1.5", "version / 3 > 1 AND version / 3 < 2", "version % 2.5 = 1.5", "-version % 3 = -1", "1 + 2 * 3 = 7 AND (1 + 2) * 3 = 9 AND 7 - 2 - 1 = 4 AND 8 / 4 / 2 = 1",
		"tags.a + null = 1", "tags + 1 = 1", "(tags.a = 3) + 1 = 2", "tags.a + 1",
		"lastActivityTime < '2026-11-26 23:59:59'", "lastActivityTime = '0001-01-01'", "statusUpdateTime > '0001-01-01T00:00:00+01:00'", "lastActivityTime = statusUpdateTime",
		"lastActivityTime IN ['0001-01-01', 3]", "lastActivityTime NIN ['2026-11-26 00:00']", "NOT lastActivityTime != '0001-01-01T00:00:00Z'",
		"lastActivityTime > 3", "NOT lastActivityTime > null", "lastActivityTime IN [3]", "ENDS_WITH(lastActivityTime, '00Z')",
		"properties.desired.$metadata.a.$lastUpdated > '2999-01-01 00:00:00'", "properties.desired.$metadata.$lastUpdated <= '2999-01-01'",
		"properties.desired.$metadata.a.$lastUpdated >= properties.desired.$metadata.b.$lastUpdated", "properties.desired.$metadata.a.$lastUpdated != lastActivityTime",
	} {
		compareSelection(t, s, documents, condition)
	}
}

// TestLargestConditionsRun checks that the largest conditions that Parse allows stay
// within SQLite's limits.
func TestLargestConditionsRun(t *testing.T) {
	t.Parallel()
	s, documents := twins(t, 4)
	var mixed strings.Builder
	for i := range 49 {
		fmt.Fprintf(&mixed, "(NOT tags.a = %d AND tags.b = tags.a OR ", i)
	}
	mixed.WriteString("true" + strings.Repeat(")", 49))

	for _, condition := range []string{
		strings.Repeat("tags.a = tags.b OR ", query.MaxComparisons-1) + "tags.a = 3",
		strings.Repeat("(", query.MaxDepth) + "tags.a = 3" + strings.Repeat(")", query.MaxDepth),
		strings.Repeat("NOT ", query.MaxDepth) + "tags.a = 3",
		strings.Repeat("(", query.MaxDepth) + "tags.a" + strings.Repeat(" = true)", query.MaxDepth) + " = true",
		strings.Repeat("(", query.MaxDepth) + "tags.a" + strings.Repeat(" IN [true, false, null])", query.MaxDepth) + " = true",
		"tags.a = 3" + strings.Repeat(" + 0 * tags.b", query.MaxArithmetic/2),
		"tags.a = " + strings.Repeat("- ", query.MaxArithmetic) + "tags.b",
		strings.Repeat("(tags.b % 2 + ", query.MaxDepth) + "tags.a" + strings.Repeat(")", query.MaxDepth) + " IN [3, 'a', null]",
		strings.Repeat("IS_BOOL((", query.MaxDepth/2) + "tags.a" + strings.Repeat("))", query.MaxDepth/2),
		mixed.String(),
		"lastActivityTime IN ['2026-11-24'" + strings.Repeat(", '2026-11-23'", 10_000) + "]",
		"deviceId IN ['door-01'" + strings.Repeat(", 'x'", 40_000) + "]",
	} {
		compareStored(t, s, documents, condition)
	}
}

// compareStored checks that a job with a condition selects the same devices as the simple
// evaluator. The condition may be as long as those that earlier versions of the hub
// stored.
func compareStored(t *testing.T, s *store.Store, documents []map[string]any, text string) {
	t.Helper()
	condition, err := query.ParseStoredCondition(text)
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	got, err := s.SelectDevices(t.Context(), condition)
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}

	if want := selected(condition.Root, documents); !slices.Equal(got, want) {
		t.Fatalf("%.200s\nselects %v\nwant    %v", text, got, want)
	}
}

// selected returns the ids of the devices for which the simple evaluator computes true.
func selected(condition query.Expr, documents []map[string]any) []string {
	var ids []string
	for _, d := range documents {
		if evaluate(condition, d) == true {
			ids = append(ids, d["deviceId"].(string))
		}
	}
	return ids
}

// FuzzSQL makes conditions from the fuzzer's bytes. The compiled SQL and the simple
// evaluator must select the same devices.
func FuzzSQL(f *testing.F) {
	s, documents := twins(f, 60)
	random := rand.New(rand.NewPCG(3, 4))
	for range 120 {
		seed := make([]byte, 40)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, seed []byte) {
		g := generator{seed}
		compareSelection(t, s, documents, g.condition(4))
	})
}

// generator makes a random condition. Each of its choices uses one byte of the seed.
type generator struct{ seed []byte }

// pick chooses a number below n. If no byte of the seed is left, pick returns 0.
func (g *generator) pick(n int) int {
	if len(g.seed) == 0 {
		return 0
	}
	b := g.seed[0]
	g.seed = g.seed[1:]
	return int(b) % n
}

// condition returns a random condition with at most depth levels of nesting.
func (g *generator) condition(depth int) string {
	if depth == 0 {
		return g.operand(0)
	}
	switch g.pick(8) {
	case 0:
		return "(" + g.condition(depth-1) + ") AND (" + g.condition(depth-1) + ")"
	case 1:
		return "(" + g.condition(depth-1) + ") OR (" + g.condition(depth-1) + ")"
	case 2:
		return "NOT (" + g.condition(depth-1) + ")"
	case 3:
		list := make([]string, g.pick(4))
		for i := range list {
			list[i] = g.literal()
		}
		return g.operand(depth-1) + []string{" IN", " NIN"}[g.pick(2)] + " [" + strings.Join(list, ", ") + "]"
	case 4:
		f := []string{"IS_DEFINED", "IS_NULL", "IS_BOOL", "IS_NUMBER", "IS_STRING", "IS_ARRAY", "IS_OBJECT", "IS_PRIMITIVE"}[g.pick(8)]
		return f + "(" + g.operand(depth-1) + ")"
	case 5:
		f := []string{"STARTS_WITH", "ENDS_WITH", "CONTAINS"}[g.pick(3)]
		return f + "(" + g.operand(depth-1) + ", " + g.operand(depth-1) + ")"
	}
	return g.operand(depth-1) + []string{" = ", " != ", " < ", " <= ", " > ", " >= "}[g.pick(6)] + g.operand(depth-1)
}

// operand returns a random constant, property, arithmetic operation, or condition in
// parentheses.
func (g *generator) operand(depth int) string {
	switch k := g.pick(9); {
	case k == 8 && depth > 0:
		return "(" + g.operand(depth-1) + []string{" + ", " - ", " * ", " / ", " % "}[g.pick(5)] + g.operand(depth-1) + ")"
	case k == 8:
		return "- " + g.operand(0)
	case k < 2:
		return g.literal()
	case k == 2 && depth > 0:
		return "(" + g.condition(depth-1) + ")"
	case k == 3:
		return []string{"deviceId", "version", "connectionState", "etag", "properties.desired.$version", "tags", "capabilities", "authenticationType",
			"x509Thumbprint", "x509Thumbprint.primaryThumbprint", "properties", "modelId", "cloudToDeviceMessageCount"}[g.pick(13)]
	}
	path := []string{"tags", "properties.desired", "properties.reported"}[g.pick(3)]
	for range 1 + g.pick(2) {
		all := append(slices.Clone(names), absent...)
		path += "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(all[g.pick(len(all))]) + "']"
	}
	return path
}

// literal returns a random constant.
func (g *generator) literal() string {
	v := values[g.pick(len(values))]
	// The query language has no constants for arrays, objects and strings with U+0000.
	if v[0] == '[' || v[0] == '{' || strings.Contains(v, `\u0000`) {
		return "undefined"
	}
	return v
}
