package deb

import (
	"strings"
	"testing"
)

func changelog(markdown string) (string, error) {
	out, _, err := filter(markdown, "awk", "-v", "package=latchd", "-v", "version=1.2.0+3.gabc", "-v", "time=1795500000", "-f", "changelog.awk")
	return out, err
}

func TestChangelog(t *testing.T) {
	t.Parallel()
	got, err := changelog(`# Changelog

All notable changes. Each entry is a [FEATURE].

## Unreleased

- [FEATURE] latchd: a key ` + "`keep_alive`" + ` whose description does not fit on a single
  line of Debian's changelog.
- [BUGFIX] latchd: none.

## 1.2.0 - 2026-11-24

- [FEATURE] latchd: all.
`)
	want := `latchd (1.2.0+3.gabc) unstable; urgency=medium

  * [FEATURE] latchd: a key 'keep_alive' whose description does not fit on a
    single line of Debian's changelog.
  * [BUGFIX] latchd: none.

 -- latchd maintainers <maintainers@latchd.example>  Tue, 24 Nov 2026 06:00:00 +0000

latchd (1.2.0) unstable; urgency=medium

  * [FEATURE] latchd: all.

 -- latchd maintainers <maintainers@latchd.example>  Tue, 24 Nov 2026 00:00:00 +0000
`
	if err != nil || got != want {
		t.Errorf("changelog.awk: %v\n%s", err, got)
	}

	for _, bad := range []string{"", "# Changelog\n", "## 1.2\n", "## 1.2.0 - 2026-13-01\n"} {
		if _, err := changelog(bad); err == nil {
			t.Errorf("changelog.awk accepts %q", bad)
		}
	}
}

// Whatever CHANGELOG.md contains, dpkg must be able to read each line of the result.
func TestChangelogOfOddInput(t *testing.T) {
	t.Parallel()
	for _, markdown := range []string{
		"## Unreleased\n\n- a\n  b\n\n## 1.2.0 - 2026-11-24\n\n- c\n",
		"## 1.2.0 - 2026-11-24\n- \n-- \n* ",
		"## Unreleased\n- latchd (1) x\n -- y\n\n-- z\n",
		"- before\n## Unreleased\n## 1.2.0 - 2026-11-24\n- " + strings.Repeat("x", 200) + " y\n\x00\n",
	} {
		out, err := changelog(markdown)
		if err != nil {
			continue
		}
		for line := range strings.Lines(out) {
			switch {
			case line == "\n", strings.HasPrefix(line, "latchd ("), strings.HasPrefix(line, "  "), strings.HasPrefix(line, " -- latchd maintainers"):
			default:
				t.Errorf("changelog.awk prints the line %q for %q", line, markdown)
			}
		}
	}
}
