package reference

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the section of the reference")

// TestReference writes the bounds of latchhub into the reference. latchhub(8) states them.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("../../man/latchhub.8")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), "\n.SH BOUNDS\n")
	page, _, _ = strings.Cut(page, "\n.SH ")

	rows := [][]string{{"who", "what", "bound"}}
	who := ""
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		switch {
		case strings.HasPrefix(lines[i], ".SS "):
			who = strings.TrimPrefix(lines[i], ".SS ")
		case lines[i] == ".TP" && i+1 < len(lines):
			i++
			rows = append(rows, []string{who, plain(lines[i]), ""})
		case who != "":
			last := rows[len(rows)-1]
			last[2] = joined(last[2], plain(lines[i]))
		}
	}

	if len(rows) < 15 {
		t.Fatalf("latchhub(8) has too few bounds: %q", rows)
	}
	Check(t, "bounds", Table(rows), *update)
}

// joined appends a line to a text. A line of roff that ends in punctuation has a space
// before it.
func joined(text, line string) string {
	words := strings.Join(strings.Fields(text+" "+line), " ")
	return regexp.MustCompile(` ([.,])`).ReplaceAllString(words, "$1")
}

// plain removes the macros and escapes of roff from a line.
func plain(line string) string {
	line = regexp.MustCompile(`^\.[A-Z]+ +`).ReplaceAllString(line, "")
	line = regexp.MustCompile(`\\f.`).ReplaceAllString(line, "")
	line = strings.NewReplacer(`\-`, "-", `\(aq`, "'", `\(lq`, `"`, `\(rq`, `"`, `\(dq`, `"`, `\&`, "").Replace(line)
	return regexp.MustCompile(` *([()]) +([A-Za-z.]+=?) +([).,])`).ReplaceAllString(line, " $1$2$3")
}

func TestTable(t *testing.T) {
	t.Parallel()
	got := Table([][]string{{"a", "b"}, {"x|y", "z"}})
	if want := "| a | b |\n| --- | --- |\n| x\\|y | z |\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
