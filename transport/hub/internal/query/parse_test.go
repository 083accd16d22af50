package query

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// queries maps the text of a query to its syntax tree, in the notation of the function
// outline.
var queries = []struct{ text, want string }{
	{"SELECT * FROM devices", "* FROM devices"},
	{"select\n*\tfrom DEVICES", "* FROM devices"},
	{"SELECT * FROM devices WHERE tags.location.floor = '3'", `* FROM devices WHERE (= tags/location/floor "3")`},
	{`SELECT * FROM devices WHERE deviceId = "door-1"`, `* FROM devices WHERE (= deviceId "door-1")`},
	{"SELECT * FROM devices WHERE devices.tags.floor <> 3", "* FROM devices WHERE (!= tags/floor 3)"},
	{"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'a'", `* FROM devices.jobs WHERE (= jobId "a")`},
	{"SELECT * FROM devices.jobs WHERE jobId = 'a' and Devices.Jobs.status != 'completed'",
		`* FROM devices.jobs WHERE (AND (= jobId "a") (!= status "completed"))`},
	{"SELECT LastActivityTime FROM devices WHERE status = 'enabled'",
		`LastActivityTime=LastActivityTime FROM devices WHERE (= status "enabled")`},
	{"SELECT deviceId AS id, tags.floor, properties.reported['a b'] AS ab FROM devices",
		"id=deviceId floor=tags/floor ab=properties/reported/a b FROM devices"},
	{"select top 3 * from devices", "TOP 3 * FROM devices"},
	{"SELECT TOP 2 sum(tags.a) as s, tags.b, TAGS.b as c FROM devices WHERE true group by tags.b , deviceId",
		"TOP 2 s=(SUM tags/a) b=tags/b c=TAGS/b FROM devices WHERE true GROUP BY tags/b deviceId"},
	{"SELECT count() as n FROM devices", "n=(COUNT) FROM devices"},
	{"SELECT tags.[[as]], tags['from'] AS [[from]], tags.b AS [[in]] FROM devices", "as=tags/as from=tags/from in=tags/b FROM devices"},
	{"SELECT COUNT() AS devices, MIN(tags.[[min]]) AS min FROM devices", "devices=(COUNT) min=(MIN tags/min) FROM devices"},
	{"SELECT * FROM devices WHERE a = 1 OR b = 2 AND NOT c = 3", "* FROM devices WHERE (OR (= a 1) (AND (= b 2) (NOT (= c 3))))"},
	{"SELECT * FROM devices WHERE (a = 1 OR b = 2) AND c = 3", "* FROM devices WHERE (AND (OR (= a 1) (= b 2)) (= c 3))"},
	{"SELECT * FROM devices WHERE ((a = 1 AND b = 2) OR (c = 3))", "* FROM devices WHERE (OR (AND (= a 1) (= b 2)) (= c 3))"},
	{"SELECT * FROM devices WHERE NOT (a = 1 OR NOT NOT b = 2)", "* FROM devices WHERE (NOT (OR (= a 1) (NOT (NOT (= b 2)))))"},
	{"SELECT * FROM devices WHERE a = 1 AND b = 2 AND c = 3", "* FROM devices WHERE (AND (= a 1) (= b 2) (= c 3))"},
	{"SELECT * FROM devices WHERE tags.a IN ['x', 1, -2.5, true, null]", `* FROM devices WHERE (IN tags/a "x" 1 -2.5 true null)`},
	{"SELECT * FROM devices WHERE tags.a NIN ['x'] AND tags.b NOT IN [ ]", `* FROM devices WHERE (AND (NIN tags/a "x") (NIN tags/b))`},
	{"SELECT * FROM devices WHERE tags.[[in]]['a b'] IN ['x']", `* FROM devices WHERE (IN tags/in/a b "x")`},
	{"SELECT * FROM devices WHERE tags.[[in]] IN ['x'] AND [[not]].x = 1", `* FROM devices WHERE (AND (IN tags/in "x") (= not/x 1))`},
	{"SELECT * FROM devices WHERE tags.[[group]] = 'US' AND tags['Group'] = 'EU'", `* FROM devices WHERE (AND (= tags/group "US") (= tags/Group "EU"))`},
	{"SELECT * FROM devices WHERE is_defined(tags.a) AND StartsWith(deviceId, 'door-')",
		`* FROM devices WHERE (AND (IS_DEFINED tags/a) (STARTS_WITH deviceId "door-"))`},
	{`SELECT * FROM devices WHERE tags.a = 'it\'s \"\\\u00e9\ud83d\ude00'`, `* FROM devices WHERE (= tags/a "it's \"\\é😀")`},
	{"SELECT * FROM devices WHERE tags.[[order]] = 1", "* FROM devices WHERE (= tags/order 1)"},
	{"SELECT * FROM devices WHERE [[devices]].x = 1", "* FROM devices WHERE (= devices/x 1)"},
	{"SELECT * FROM devices WHERE tags['it\\'s'].größe >= 0x1F", "* FROM devices WHERE (>= tags/it's/größe 31)"},
	{"SELECT * FROM devices WHERE tags.a < .5 OR tags.b <= 1e3 OR tags.c > +7 OR tags.d >= 1.5E-7",
		"* FROM devices WHERE (OR (< tags/a 0.5) (<= tags/b 1000) (> tags/c 7) (>= tags/d 1.5e-07))"},
	{"SELECT * FROM devices WHERE tags.a", "* FROM devices WHERE tags/a"},
	{"SELECT * FROM devices WHERE (tags.a = 1) = true", "* FROM devices WHERE (= (= tags/a 1) true)"},
	{"SELECT * FROM devices WHERE tags.a = undefined OR true", "* FROM devices WHERE (OR (= tags/a undefined) true)"},
	{"SELECT * FROM devices WHERE properties.desired.$version > 3", "* FROM devices WHERE (> properties/desired/$version 3)"},
	{"SELECT * FROM devices WHERE 43 = tags.building", "* FROM devices WHERE (= 43 tags/building)"},
	{"SELECT * FROM devices WHERE tags.a + 1 - tags.b > 2", "* FROM devices WHERE (> (- (+ tags/a 1) tags/b) 2)"},
	{"SELECT * FROM devices WHERE tags.a + tags.b * 2 = 3 % tags.c / 4", "* FROM devices WHERE (= (+ tags/a (* tags/b 2)) (/ (% 3 tags/c) 4))"},
	{"SELECT * FROM devices WHERE (tags.a + tags.b) * 2 <> 4", "* FROM devices WHERE (!= (* (+ tags/a tags/b) 2) 4)"},
	{"SELECT * FROM devices WHERE tags.a-1 < -tags.b - -2", "* FROM devices WHERE (< (- tags/a 1) (- (- tags/b) -2))"},
	{"SELECT * FROM devices WHERE -(+tags.a) = - - 1", "* FROM devices WHERE (= (- (+ tags/a)) (- -1))"},
	{"SELECT * FROM devices WHERE tags.a % 2 IN [0, 1] AND NOT IS_NUMBER(tags.b / 0)",
		"* FROM devices WHERE (AND (IN (% tags/a 2) 0 1) (NOT (IS_NUMBER (/ tags/b 0))))"},
	{"SELECT * FROM devices WHERE lastActivityTime > '2026-11-26 23:59:59' AND '2026-11-26' <= STATUSUPDATETIME",
		`* FROM devices WHERE (AND (> lastActivityTime "2026-11-26 23:59:59") (<= "2026-11-26" STATUSUPDATETIME))`},
	{"SELECT * FROM devices WHERE properties.desired.a = properties.reported.a",
		"* FROM devices WHERE (= properties/desired/a properties/reported/a)"},
}

func TestParse(t *testing.T) {
	for _, c := range queries {
		q, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := outline(q); got != c.want {
			t.Errorf("%s\nis parsed as %s\nwant         %s", c.text, got, c.want)
		}
		if q.Text != c.text {
			t.Errorf("%s: the query keeps the text %q", c.text, q.Text)
		}
	}
}

func TestParseCondition(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"*", "*"},
		{" * ", "*"},
		{"deviceId IN ['a', 'b']", `(IN deviceId "a" "b")`},
		{"tags.floor = 3 AND tags.building='43'", `(AND (= tags/floor 3) (= tags/building "43"))`},
	} {
		condition, err := ParseCondition(c.text)
		got := "*"
		if condition != nil {
			got = outlineExpr(condition.Root)
		}
		if err != nil || got != c.want {
			t.Errorf("%s is parsed as %s (%v), want %s", c.text, got, err, c.want)
		}
	}
}

// TestErrors compares error messages with testdata/errors.golden. Each line of
// testdata/errors.txt is a query with a mistake; \n in it is a line break. A line that
// begins with '?' is the condition of a job.
func TestErrors(t *testing.T) {
	input, err := os.ReadFile(filepath.Join("testdata", "errors.txt"))
	if err != nil {
		t.Fatal(err)
	}

	var got strings.Builder
	for line := range strings.Lines(string(input)) {
		line = strings.TrimSuffix(line, "\n")
		text := strings.ReplaceAll(line, `\n`, "\n")
		var err error
		if condition, ok := strings.CutPrefix(text, "?"); ok {
			_, err = ParseCondition(condition)
		} else {
			_, err = Parse(text)
		}

		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%s: error is %v, want an *Error", line, err)
			continue
		}
		got.WriteString(line + "\n    " + e.Error() + "\n")
	}

	golden := filepath.Join("testdata", "errors.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the errors are\n%s\nwant\n%s", got.String(), want)
	}
}

func TestBounds(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("(", n) + "a = 1" + strings.Repeat(")", n) }
	for _, c := range []struct{ name, text, want string }{
		{"the longest text", "a = '" + strings.Repeat("x", MaxLength-6) + "'", ""},
		{"the longest text, of characters with two bytes", "a = '" + strings.Repeat("é", MaxLength-6) + "'", ""},
		{"too long", "a = '" + strings.Repeat("é", MaxLength-5) + "'", "line 1:8193: the text has 8193 characters: at most 8192 are allowed"},
		{"the deepest nesting", deep(MaxDepth), ""},
		{"too deep", deep(MaxDepth + 1), "line 1:51: nested too deep: at most 50 levels are allowed"},
		{"NOT too deep", strings.Repeat("NOT ", MaxDepth+1) + "a", "nested too deep"},
		{"the most comparisons", strings.Repeat("a=1 OR ", MaxComparisons-1) + "a=1", ""},
		{"too many comparisons", strings.Repeat("a=1 OR ", MaxComparisons) + "a=1", "more than 1000 comparisons: use IN [...] with a list"},
		{"a long list counts as one comparison", "a IN [" + strings.Repeat("1,", 4000) + "1]", ""},
		{"the most arithmetic", "tags.a = 1" + strings.Repeat(" + 1", MaxArithmetic), ""},
		{"too much arithmetic", "tags.a = 1" + strings.Repeat(" + 1", MaxArithmetic+1), "line 1:412: more than 100 arithmetic operators"},
		{"too many signs", "tags.a = " + strings.Repeat("-", MaxArithmetic+1) + "tags.b", "more than 100 arithmetic operators"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseCondition(c.text)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %.200v, want %q", err, c.want)
			}
		})
	}
}

// TestStoredConditions checks that conditions of jobs that earlier versions of the hub
// stored are still accepted.
func TestStoredConditions(t *testing.T) {
	for _, text := range []string{
		"deviceId IN ['a'" + strings.Repeat(", 'door-of-a-building'", 10_000) + "]",
		"tags.group = 'US' AND tags.in IN [1] AND not.x = 1",
	} {
		if _, err := ParseCondition(text); err == nil {
			t.Errorf("a new job with the condition %.40s... is accepted", text)
		}
		if _, err := ParseStoredCondition(text); err != nil {
			t.Errorf("the stored condition %.40s... is refused: %v", text, err)
		}
	}

	_, err := ParseStoredCondition("a = '" + strings.Repeat("x", maxStoredLength) + "'")
	if err == nil || !strings.Contains(err.Error(), "the text has 262150 bytes: at most 262144 are allowed") {
		t.Errorf("the error is %.200v", err)
	}
}

func TestColumnsAreBounded(t *testing.T) {
	text := "SELECT a0"
	for i := 1; i < MaxColumns; i++ {
		text += fmt.Sprintf(", a%d", i)
	}
	if _, err := Parse(text + " FROM devices"); err != nil {
		t.Error(err)
	}
	if _, err := Parse(text + ", b FROM devices"); err == nil || err.Error() != "line 1:498: more than 100 columns" {
		t.Errorf("the error is %v", err)
	}
}

func TestPositions(t *testing.T) {
	q, err := Parse("SELECT tags.a FROM devices WHERE NOT tags.b IN [1] AND IS_NULL(c) OR d = 'e'")
	if err != nil {
		t.Fatal(err)
	}

	var got []int
	walk(q.Columns[0].Expr, func(e Expr) { got = append(got, e.Position()) })
	walk(q.Where.Root, func(e Expr) { got = append(got, e.Position()) })

	want := []int{7, 66, 51, 33, 44, 37, 48, 55, 63, 71, 69, 73}
	if !slices.Equal(got, want) {
		t.Fatalf("the positions are %v, want %v", got, want)
	}
}

// walk visits all nodes of a syntax tree. It visits an operator before its operands.
func walk(e Expr, visit func(Expr)) {
	visit(e)
	switch e := e.(type) {
	case *Not:
		walk(e.X, visit)
	case *Logic:
		for _, t := range e.Terms {
			walk(t, visit)
		}
	case *Compare:
		walk(e.Left, visit)
		walk(e.Right, visit)
	case *In:
		walk(e.X, visit)
		for _, l := range e.List {
			walk(l, visit)
		}
	case *Arithmetic:
		walk(e.Left, visit)
		walk(e.Right, visit)
	case *Sign:
		walk(e.X, visit)
	case *Call:
		for _, a := range e.Args {
			walk(a, visit)
		}
	}
}
