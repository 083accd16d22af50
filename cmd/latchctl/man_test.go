package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manFolder has the man pages, as packages install them.
const manFolder = "../../packaging/man"

// TestManPages: the man pages are those of the tree of commands. With
// UPDATE_SCRIPTS set they are written.
func TestManPages(t *testing.T) {
	root := newRoot(&app{})
	root.DisableAutoGenTag = true
	keepTables(root)
	made := t.TempDir()
	date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "latchd"}, made); err != nil {
		t.Fatal(err)
	}
	for _, topic := range root.Commands() { // which the tree's pages leave out
		if !topic.IsAdditionalHelpTopicCommand() {
			continue
		}
		var page bytes.Buffer
		if err := doc.GenMan(topic, &doc.GenManHeader{Section: "1", Date: &date, Source: "latchd"}, &page); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(made, "latchctl-"+topic.Name()+".1"), page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pages, err := os.ReadDir(made)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, page := range pages {
		names[page.Name()] = true
		want, err := os.ReadFile(filepath.Join(made, page.Name()))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(manFolder, page.Name())
		if os.Getenv("UPDATE_SCRIPTS") != "" {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date (%v); run the test with UPDATE_SCRIPTS=1", file, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(manFolder, "latchctl*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if !names[filepath.Base(file)] {
			t.Errorf("%s is of no command any more; remove it", file)
		}
	}
}

// keepTables marks the lines of the long texts that are set in, which have their
// own layout, as literal for Markdown, of which man pages are made.
func keepTables(cmd *cobra.Command) {
	var b strings.Builder
	literal := false
	for line := range strings.Lines(cmd.Long) {
		if strings.HasPrefix(line, "  ") {
			if !literal {
				b.WriteString("\n")
			}
			literal = true
			line = "    " + strings.TrimPrefix(line, "  ")
		} else {
			literal = false
		}
		b.WriteString(line)
	}
	cmd.Long = b.String()
	for _, sub := range cmd.Commands() {
		keepTables(sub)
	}
}
