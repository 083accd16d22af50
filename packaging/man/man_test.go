package man

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// TestPagesNameAllCommandsAndFlags compares the hand-written man pages with the help of
// their programs. Page and help must name the same commands and flags.
func TestPagesNameAllCommandsAndFlags(t *testing.T) {
	t.Parallel()

	for page, program := range map[string]string{"latchd.8": "latchd", "latchhub.8": "latchhub", "latchsim.1": "latchsim"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}

		// Remove roff's fonts, escapes and macros, because they stand before and
		// between the words.
		plain := regexp.MustCompile(`\\f.|\\\||"|(?m:^\.[A-Z]+ )`).ReplaceAllString(strings.ReplaceAll(string(text), `\-`, "-"), "")
		commands, flags := commandsAndFlags(t, program, nil)
		if len(commands)+len(flags) < 5 {
			t.Fatalf("the help of %s has too few commands and flags: %q, %q; does this test still parse it?", program, commands, flags)
		}

		for _, command := range commands {
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(command) + `\b`).MatchString(plain) {
				t.Errorf("%s does not describe the command %q", page, command)
			}
		}
		for _, flag := range flags {
			if !regexp.MustCompile(`(?m)^(-., *)?` + regexp.QuoteMeta(flag) + `\b`).MatchString(plain) {
				t.Errorf("%s does not describe the flag %s", page, flag)
			}
		}

		// The page must not name flags that the program does not have.
		for _, m := range regexp.MustCompile(`(?m)^(--?[a-z][a-z-]+)\b`).FindAllStringSubmatch(plain, -1) {
			if !slices.Contains(flags, m[1]) {
				t.Errorf("%s describes %s, which %s does not have", page, m[1], program)
			}
		}
	}
}

// commandsAndFlags reads the help of a program's command and of its subcommands. It
// returns the commands that have no subcommands, each with all its words ("device
// create"). It also returns the flags of all commands.
func commandsAndFlags(t *testing.T, program string, command []string) (commands, flags []string) {
	t.Helper()

	out, _ := exec.CommandContext(t.Context(), bin.Path(program), append(command, "--help")...).CombinedOutput()
	for _, m := range regexp.MustCompile(`(?m)^(?:  |      )(?:-., )?(--?[a-z][a-z-]+)\b`).FindAllStringSubmatch(string(out), -1) {
		flags = append(flags, m[1])
	}

	_, list, hasCommands := strings.Cut(string(out), "Commands:\n")
	if !hasCommands {
		return nil, flags
	}

	for line := range strings.Lines(list) {
		m := regexp.MustCompile(`^  ([a-z]+) `).FindStringSubmatch(line)
		if m == nil {
			break
		}

		whole := append(slices.Clone(command), m[1])
		var below, more []string
		if m[1] != "help" && m[1] != "version" {
			below, more = commandsAndFlags(t, program, whole)
		}

		flags = append(flags, more...)
		if len(below) > 0 {
			commands = append(commands, below...)
		} else {
			commands = append(commands, strings.Join(whole, " "))
		}
	}

	return commands, flags
}

// TestPagesAreWellFormed checks that man renders each page without a warning. It checks
// the pages of this folder and the generated pages of latchctl.
func TestPagesAreWellFormed(t *testing.T) {
	t.Parallel()

	if _, err := exec.LookPath("man"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the command man is missing, and CI needs it; install it with lintian")
		}
		t.Skip("the command man is missing, so no page is checked; install the package man-db")
	}

	for _, page := range append(writtenPages(t), generatedPages(t)...) {
		cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80")
		var complaints strings.Builder
		cmd.Stderr = &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v\n%s", page, err, &complaints)
		}
	}
}

// writtenPages returns the files of the hand-written man pages.
func writtenPages(t *testing.T) []string {
	t.Helper()

	pages, err := filepath.Glob("*.[0-9]")
	if err != nil || len(pages) < 4 {
		t.Fatalf("pages in packaging/man: %q, %v; want 4 or more", pages, err)
	}
	if generated, _ := filepath.Glob("latchctl*"); len(generated) > 0 {
		t.Errorf("packaging/man has the files %q; the package build generates the pages of latchctl", generated)
	}

	return pages
}

// generatedPages generates latchctl's man pages into a temporary folder. It returns the
// files of the pages.
func generatedPages(t *testing.T) []string {
	t.Helper()

	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", "-tags", "man", "github.com/latchd/latchd/cmd/latchctl", folder)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1795500000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("generate the man pages of latchctl: %v\n%s", err, out)
	}

	pages, err := filepath.Glob(filepath.Join(folder, "*.1"))
	if err != nil || len(pages) < 30 {
		t.Fatalf("generated pages: %q, %v; want 30 or more", pages, err)
	}

	return pages
}
