package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// buildManGenerator builds the generator of the man pages and returns the path of the
// program. The generator is this package, built with the tag "man".
func buildManGenerator(t *testing.T) string {
	t.Helper()

	generator := filepath.Join(t.TempDir(), "latchctl-man")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags", "man", "-o", generator, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the generator of the man pages: %v\n%s", err, out)
	}

	return generator
}

// generateManPages runs the generator of the man pages, and returns the text of each
// page by file name.
func generateManPages(t *testing.T, generator string, env ...string) map[string]string {
	t.Helper()

	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), generator, folder)
	cmd.Env = append(append(os.Environ(), "SOURCE_DATE_EPOCH=1795500000"), env...)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("generate the man pages: %v\n%s", err, out)
	}

	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	pages := make(map[string]string)
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[entry.Name()] = string(text)
	}

	return pages
}

// TestManPages builds the generator of the man pages once, and checks the pages that it
// writes.
func TestManPages(t *testing.T) {
	t.Parallel()
	generator := buildManGenerator(t)
	pages := generateManPages(t, generator)

	t.Run("every command has a page", func(t *testing.T) { everyCommandHasAPage(t, pages) })
	t.Run("topics", func(t *testing.T) { topicsHaveTheirText(t, pages) })
	t.Run("the same bytes everywhere", func(t *testing.T) { pagesAreReproducible(t, generator) })
	t.Run("failures", func(t *testing.T) { generatorFails(t, generator) })
}

// everyCommandHasAPage checks that each command and each help topic has a page, and
// that there are no other pages. A page must contain the command's short text, example
// and flags.
func everyCommandHasAPage(t *testing.T, pages map[string]string) {
	root := newRoot(&app{})
	want := make(map[string]bool)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && !cmd.IsAdditionalHelpTopicCommand() {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		want[name] = true
		checkManPage(t, cmd, name, pages[name])

		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)

	if len(want) < 30 {
		t.Errorf("latchctl has %d commands and topics, want 30 or more", len(want))
	}
	for name := range pages {
		if !want[name] {
			t.Errorf("the page %s belongs to no command or topic", name)
		}
	}
}

func checkManPage(t *testing.T, cmd *cobra.Command, name, page string) {
	t.Helper()

	if page == "" {
		t.Errorf("%s has no man page %s", cmd.CommandPath(), name)
		return
	}

	plain := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fI`, "", `\fP`, "", `\fR`, "", `\&`, "", `\\`, `\`).Replace(page)
	for _, text := range []string{`"Nov 2026"`, " - " + cmd.Short, cmd.Example} {
		if !strings.Contains(plain, text) {
			t.Errorf("%s does not have the text %q", name, text)
		}
	}

	topic := cmd.IsAdditionalHelpTopicCommand()
	if topic && (!strings.Contains(plain, "\nlatchctl help "+cmd.Name()+"\n") || strings.Contains(plain, "OPTIONS")) {
		t.Errorf("%s should have the synopsis 'latchctl help %s' and no options", name, cmd.Name())
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		kind, _ := pflag.UnquoteUsage(f)
		option := strings.TrimSpace("--"+f.Name+" "+kind) + "\n"
		if !topic && !f.Hidden && !strings.Contains(plain, option) {
			t.Errorf("%s does not have the option %q", name, option)
		}
	})
}

// topicsHaveTheirText checks that the pages of the help topics contain every line of
// output.txt and connection.txt. The lines of tables must not change, and latchctl.1
// must refer to the topics.
func topicsHaveTheirText(t *testing.T, pages map[string]string) {
	for name, source := range map[string]string{"output": outputFields, "connection": connectionHelp} {
		page := strings.ReplaceAll(pages["latchctl-"+name+".1"], `\-`, "-")
		lines := strings.Split(page, "\n")
		for line := range strings.Lines(source) {
			line = strings.TrimSuffix(line, "\n")
			if table, ok := strings.CutPrefix(line, "  "); ok && !slices.Contains(lines, table) {
				t.Errorf("the page of the topic %s does not have the table's line %q", name, table)
			} else if !strings.Contains(page, strings.TrimSpace(line)) {
				t.Errorf("the page of the topic %s does not have %q", name, line)
			}
		}
		if !strings.Contains(pages["latchctl.1"], "latchctl-"+name+"(1)") {
			t.Errorf("latchctl.1 does not refer to latchctl-%s(1)", name)
		}
	}
}

// pagesAreReproducible checks that the time zone, the language and the time
// of the build do not change the pages.
func pagesAreReproducible(t *testing.T, generator string) {
	first := generateManPages(t, generator, "TZ=UTC", "LC_ALL=C")
	// 2026-11-30 23:00 UTC is in December in Kiritimati.
	env := []string{"TZ=Pacific/Kiritimati", "LC_ALL=C.UTF-8", "COLUMNS=40", "HOME=/nonexistent"}
	second := generateManPages(t, generator, append(env, "SOURCE_DATE_EPOCH=1796079600")...)

	if len(first) != len(second) {
		t.Errorf("%d pages the first time, %d the second", len(first), len(second))
	}
	for name, page := range first {
		if page != second[name] {
			t.Errorf("%s differs between two builds", name)
		}
	}
}

// generatorFails checks that the generator prints a message and ends with status 1 if
// it cannot write the pages. A package build then stops.
func generatorFails(t *testing.T, generator string) {
	for name, test := range map[string]struct {
		args  []string
		epoch string
		want  string
	}{
		"no folder":        {nil, "1795500000", "the folder to write to"},
		"a missing folder": {[]string{filepath.Join(t.TempDir(), "none")}, "1795500000", "no such file or directory"},
		"no date":          {[]string{t.TempDir()}, "", "SOURCE_DATE_EPOCH"},
	} {
		cmd := exec.CommandContext(t.Context(), generator, test.args...)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+test.epoch)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: %v, %q; want status 1 and the message %q", name, err, &stderr, test.want)
		}
	}
}
