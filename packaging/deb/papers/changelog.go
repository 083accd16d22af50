package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// changelog writes CHANGELOG.md as Debian's changelog. What is not released is
// what this version has: it gets its number and its time.
func (o order) changelog(to io.Writer, markdown string) error {
	releases, err := parseChanges(markdown)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(to)
	between := ""
	for _, r := range releases {
		if r.version == "" {
			r.version, r.at = o.version, o.at
		}
		if len(r.changes) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s%s (%s) unstable; urgency=medium\n\n", between, o.name, r.version)
		between = "\n"
		for _, change := range r.changes {
			fmt.Fprint(w, fill("  * ", "    ", change, 80))
		}
		fmt.Fprintf(w, "\n -- %s  %s\n", maintainer, r.at.Format(time.RFC1123Z))
	}
	return w.Flush()
}

// release is a part of CHANGELOG.md; what is not released has no version yet.
type release struct {
	version string
	at      time.Time
	changes []string
}

// parseChanges reads a changelog of parts "## Unreleased" and "## 1.2.0 - 2026-11-24",
// each with a list of changes.
func parseChanges(markdown string) ([]release, error) {
	heading := regexp.MustCompile(`^## (?:Unreleased|(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d))$`)
	var releases []release
	number, within := 0, false
	for line := range strings.Lines(markdown) {
		number++
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "## "):
			found := heading.FindStringSubmatch(line)
			if found == nil {
				return nil, fmt.Errorf("CHANGELOG.md:%d: want '## Unreleased' or '## 1.2.0 - 2026-11-24'", number)
			}
			r := release{version: found[1]}
			if r.version != "" {
				var err error
				if r.at, err = time.Parse(time.DateOnly, found[2]); err != nil {
					return nil, fmt.Errorf("CHANGELOG.md:%d: %w", number, err)
				}
			}
			releases, within = append(releases, r), false
		case strings.HasPrefix(line, "- ") && len(releases) > 0:
			r := &releases[len(releases)-1]
			r.changes, within = append(r.changes, line[2:]), true
		case strings.TrimSpace(line) == "":
			within = false
		case within:
			r := &releases[len(releases)-1]
			r.changes[len(r.changes)-1] += " " + strings.TrimSpace(line)
		}
	}
	if len(releases) == 0 {
		return nil, errors.New("CHANGELOG.md has no releases")
	}
	return releases, nil
}

// fill breaks text into lines of at most width characters where it has blanks.
func fill(first, rest, text string, width int) string {
	var b strings.Builder
	line, begun := first, false
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "`", "'")) {
		if begun && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line, begun = rest, false
		}
		if begun {
			line += " "
		}
		line, begun = line+word, true
	}
	b.WriteString(line + "\n")
	return b.String()
}
