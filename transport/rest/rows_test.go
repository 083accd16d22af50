package rest

import (
	"encoding/json"
	"strings"
	"testing"
)

// compactPages are pages in the form that hubs write.
var compactPages = []string{
	`[]`, `[{}]`, `[[]]`, `[1,-2.5e3,true,null]`, `[{"n":1},{"n":2}]`, `["a\"]","\\"]`,
	`[{"deviceId":"door","tags":{"floor":[1,{"a":[]}]},"modelId":"","statusReason":null}]`,
}

func TestSplitRows(t *testing.T) {
	t.Parallel()

	for _, page := range compactPages {
		rows, ok := splitRows([]byte(page))
		if joined, err := json.Marshal(rows); !ok || err != nil || string(joined) != page {
			t.Errorf("%s: %v, %q, %v", page, ok, rows, err)
		}
	}

	deep := strings.Repeat("[", maxLevels+2) + strings.Repeat("]", maxLevels+2)
	if _, ok := splitRows([]byte(deep)); ok {
		t.Errorf("%s: more than %d levels were accepted", deep, maxLevels)
	}
}

// A page that splitRows does not accept must still be read if it is valid JSON.
func TestRawRowsWithSpaces(t *testing.T) {
	t.Parallel()

	var rows rawRows
	if err := decode([]byte(" [ {\"n\": 1} , \"\\u0041\" ]\n"), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || string(rows[0]) != `{"n": 1}` || string(rows[1]) != `"\u0041"` {
		t.Errorf("rows %q", rows)
	}

	if err := decode([]byte(`<html>`), &rows); err == nil {
		t.Error("HTML was accepted")
	}
}

// BenchmarkPage measures how long the client takes to parse a page of 1,000 twins.
func BenchmarkPage(b *testing.B) {
	twin := `{"deviceId":"door","tags":{"building":"43"},"properties":{"reported":{` + strings.Repeat(`"lock":{"position":"locked","confirmed":true},`, 40) + `"$version":7}}}`
	page := []byte("[" + strings.Repeat(twin+",", 999) + twin + "]\n")
	b.SetBytes(int64(len(page)))
	for b.Loop() {
		var rows rawRows
		if err := decode(page, &rows); err != nil || len(rows) != 1000 {
			b.Fatal(len(rows), err)
		}
	}
}
