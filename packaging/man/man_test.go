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

// What a page that is written by hand says is there is what the program's help says.
func TestPagesNameAllCommandsAndFlags(t *testing.T) {
	for page, program := range map[string]string{"latchd.8": "latchd", "latchhub.8": "latchhub", "latchsim.1": "latchsim"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		// Without what roff has between and before the words.
		plain := regexp.MustCompile(`\\f.|\\\||"|(?m:^\.[A-Z]+ )`).ReplaceAllString(strings.ReplaceAll(string(text), `\-`, "-"), "")
		commands, flags := helped(t, program, nil)
		if len(commands)+len(flags) < 5 {
			t.Fatalf("the help of %s is not understood: %q, %q", program, commands, flags)
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
		// And nothing else.
		for _, m := range regexp.MustCompile(`(?m)^(--?[a-z][a-z-]+)\b`).FindAllStringSubmatch(plain, -1) {
			if !slices.Contains(flags, m[1]) {
				t.Errorf("%s describes %s, which %s does not have", page, m[1], program)
			}
		}
	}
}

// helped returns all commands of a program, each with its words, and all flags.
func helped(t *testing.T, program string, command []string) (commands, flags []string) {
	out, _ := exec.CommandContext(t.Context(), bin.Path(program), append(command, "--help")...).CombinedOutput()
	for _, m := range regexp.MustCompile(`(?m)^(?:  |      )(?:-., )?(--?[a-z][a-z-]+)\b`).FindAllStringSubmatch(string(out), -1) {
		flags = append(flags, m[1])
	}
	if !strings.Contains(string(out), "Commands:\n") {
		return nil, flags
	}
	_, list, _ := strings.Cut(string(out), "Commands:\n")
	for line := range strings.Lines(list) {
		m := regexp.MustCompile(`^  ([a-z]+) `).FindStringSubmatch(line)
		if m == nil {
			break
		}
		whole := append(slices.Clone(command), m[1])
		below, more := []string(nil), []string(nil)
		if m[1] != "help" && m[1] != "version" {
			below, more = helped(t, program, whole)
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

// Each page is one that man shows without a complaint.
func TestPagesAreWellFormed(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("man is missing, and CI needs it; it comes with lintian")
		}
		t.Skip("there is no man: the pages are not looked at")
	}
	pages, err := filepath.Glob("*.[0-9]")
	if err != nil || len(pages) < 10 {
		t.Fatalf("pages: %q, %v", pages, err)
	}
	for _, page := range pages {
		cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80")
		var complaints strings.Builder
		cmd.Stderr = &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v\n%s", page, err, &complaints)
		}
	}
}
