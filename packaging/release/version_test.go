package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The version of a source tree must not depend on how the tree was obtained: an archive of
// a release has the version and the time of a checkout of the release's tag.
func TestVersion(t *testing.T) {
	t.Parallel()
	const commit = "git add . && git commit -q -m x && "
	for _, tt := range []struct{ name, prepare, env, want string }{
		{"an archive of a release", "true", "", "1.2.0 1795478400"},
		{"an archive of a later commit", "echo 1.3.0~dev >VERSION", "", "1.3.0~dev 1795478400"},
		{"a checkout without tags", "git init -q && " + commit + "true", "", "1.2.0 1795478400"},
		{"a checkout of a later commit without tags", "echo 1.3.0~dev >VERSION && git init -q && " + commit + "true", "", "1.3.0~dev 1795500000"},
		{"a checkout of the tag", "git init -q && " + commit + "git tag v1.2.0", "", "1.2.0 1795478400"},
		{"a commit after the tag", "git init -q && " + commit + "git tag v1.2.0 && touch y && " + commit + "true", "", "1.2.0+1.gHASH 1795500000"},
		{"a tag that is no version", "git init -q && " + commit + "git tag nightly", "", "1.2.0 1795478400"},
		{"given by the environment", "true", "VERSION=9 SOURCE_DATE_EPOCH=5", "9 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{
				"VERSION":                      "1.2.0\n",
				"CHANGELOG.md":                 "## Unreleased\n\n## 1.2.0 - 2026-11-24\n\n- All.\n\n## 1.1.0 - 2026-10-01\n",
				"packaging/release/version.sh": read(t, "version.sh"),
			} {
				write(t, filepath.Join(dir, name), text, 0o700)
			}

			script := tt.prepare + " && HASH=$(git rev-parse --short HEAD 2>/dev/null || true) && " +
				tt.env + " packaging/release/version.sh | sed \"s/+1.g$HASH/+1.gHASH/\""
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TZ=Pacific/Kiritimati", "GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir),
				"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a",
				"GIT_AUTHOR_DATE=@1795500000 +0000", "GIT_COMMITTER_DATE=@1795500000 +0000"}

			got, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(got)) != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// The file VERSION must name the newest release of CHANGELOG.md or a later version.
func TestVersionFile(t *testing.T) {
	t.Parallel()
	version := strings.TrimSpace(read(t, "../../VERSION"))
	m := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) - `).FindStringSubmatch(read(t, "../../CHANGELOG.md"))
	if m == nil {
		t.Fatal("CHANGELOG.md has no release")
	}

	newest := m[1]
	if version == newest {
		return
	}
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is missing: this test compares versions with it")
	}
	if err := exec.CommandContext(t.Context(), "dpkg", "--compare-versions", version, "gt", newest).Run(); err != nil {
		t.Errorf("VERSION is %s, but CHANGELOG.md has the release %s", version, newest)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
