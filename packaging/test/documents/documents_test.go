package documents

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// pages returns the paths of the project's Markdown pages.
func pages(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"../../../*.md", "../../doc/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		list = append(list, found...)
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each link to a file must lead to a file, and each link to a heading to a heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`).FindAllStringSubmatch(read(t, page), -1) {
			target, heading := m[1], m[2]
			if strings.Contains(target, ":") {
				continue // an address on the web
			}
			links++

			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
				continue
			}
			if heading != "" && !headings(read(t, path))[heading] {
				t.Errorf("%s links to %s%s, which has no such heading", page, target, heading)
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links; does this test still find them?", links)
	}
}

// headings returns the anchors of a page's headings.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors["#"+strings.ReplaceAll(words, " ", "-")] = true
	}
	return anchors
}

// commandLine matches a command of one of the programs in a block of code, perhaps in a
// container or after an environment variable.
var commandLine = regexp.MustCompile(`(?m)^(?:    |\$ |    podman exec hub )(?:bin/)?(latchd|latchctl|latchhub) (.*?)(?:\s+#.*)?$`)

// Each command in a block of code must exist, with the flags that the page shows.
func TestCommands(t *testing.T) {
	t.Parallel()
	helps := map[string]string{}
	help := func(program string, words ...string) string {
		key := program + " " + strings.Join(words, " ")
		if _, known := helps[key]; !known {
			out, _ := exec.CommandContext(t.Context(), bin.Path(program), append(words, "--help")...).CombinedOutput()
			helps[key] = string(out)
		}
		return helps[key]
	}

	checked := 0
	for _, page := range pages(t) {
		if filepath.Base(page) == "CHANGELOG.md" {
			continue
		}
		for _, m := range commandLine.FindAllStringSubmatch(strings.ReplaceAll(read(t, page), "\\\n", " "), -1) {
			program, line := m[1], regexp.MustCompile(`"[^"]*"|'[^']*'`).ReplaceAllString(m[2], "TEXT")
			line, _, _ = strings.Cut(line, "|")
			checked++

			// The command is the longest run of lower-case words for which the program has
			// a help text of its own.
			var command []string
			for _, word := range strings.Fields(line) {
				longer := append(command[:len(command):len(command)], word)
				if !regexp.MustCompile(`^[a-z-]+$`).MatchString(word) || strings.HasPrefix(word, "-") || help(program, longer...) == help(program, command...) ||
					!strings.Contains(help(program, longer...), program+" "+strings.Join(longer, " ")) {
					break
				}
				command = longer
			}
			if len(command) == 0 && !strings.HasPrefix(line, "-") {
				t.Errorf("%s: %s has no command %q", page, program, line)
				continue
			}

			for _, flag := range regexp.MustCompile(`(?:^|\s)(--[a-z][a-z-]*)`).FindAllStringSubmatch(line, -1) {
				if !strings.Contains(help(program, command...), flag[1]) {
					t.Errorf("%s: '%s %s' has no flag %s", page, program, strings.Join(command, " "), flag[1])
				}
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d commands; does this test still find them?", checked)
	}
}
