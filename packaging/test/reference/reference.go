// Package reference keeps packaging/doc/reference.md equal to the code. Each generated
// section of the page stands between two comments, and the test of the package that owns
// the facts calls [Check] with the section's text.
package reference

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Check compares a section of the page with want. If update is true, it writes want to the
// page instead. The comments <!-- begin NAME --> and <!-- end NAME --> enclose the
// section.
func Check(t *testing.T, name, want string, update bool) {
	t.Helper()
	root, folder := rootOf(t)
	path := filepath.Join(root, "packaging", "doc", "reference.md")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	begin, end := fmt.Sprintf("<!-- begin %s -->\n", name), fmt.Sprintf("\n<!-- end %s -->", name)
	before, rest, found := strings.Cut(string(content), begin)
	got, after, complete := strings.Cut(rest, end)
	if !found || !complete {
		t.Fatalf("%s has no section %s", path, name)
	}

	want = "\n" + strings.TrimSpace(want) + "\n"
	if got == want {
		return
	}
	if !update {
		t.Fatalf("the section %s of packaging/doc/reference.md differs from the code; to write it again, run: go test ./%s -run TestReference -update\n%s",
			name, folder, difference(got, want))
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// rootOf returns the top folder of the sources, and the current folder relative to it.
func rootOf(t *testing.T) (root, folder string) {
	t.Helper()
	current, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}

	for root = current; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			folder, err = filepath.Rel(root, current)
			if err != nil {
				t.Fatal(err)
			}
			return root, filepath.ToSlash(folder)
		}
		if root == filepath.Dir(root) {
			t.Fatalf("no go.mod above %s", current)
		}
	}
}

// difference returns the first line that differs.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		is, should := "(end)", "(end)"
		if i < len(g) {
			is = g[i]
		}
		if i < len(w) {
			should = w[i]
		}
		if is != should {
			return "the page has:  " + is + "\nthe code says: " + should
		}
	}
	return ""
}

// Table formats rows as a Markdown table. The first row is the header.
func Table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, cell := range row {
			cells[j] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return b.String()
}
