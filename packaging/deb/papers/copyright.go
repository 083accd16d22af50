package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// copyright writes the machine-readable copyright of Debian: the project's own,
// then that of each module that the package's programs link.
// Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
func (o order) copyright(to io.Writer) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: latchd
Upstream-Contact: %s
Source: https://%s

Files: *
Copyright: 2026 the latchd authors
License: Apache-2.0

License: Apache-2.0
 On Debian systems the text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`, maintainer, project)
	for _, m := range o.modules() {
		fmt.Fprintf(w, "\nFiles: %s/*\nCopyright: %s\nLicense: %s\n", m.path, strings.Join(m.holders, "\n "), debianName(m.licence))
		if strings.HasPrefix(m.licence, apache) && len(m.texts) > 0 {
			fmt.Fprintf(w, " Its text stands above. The notice that goes along:\n .\n")
		}
		for i, text := range m.texts {
			if i > 0 {
				fmt.Fprint(w, " .\n")
			}
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, " \t\r\n\f")
				if line == "" {
					line = "."
				}
				fmt.Fprintf(w, " %s\n", line)
			}
		}
		fmt.Fprintf(w, "Comment: %s %s is linked into %s.\n", m.path, m.version, strings.Join(o.linkedInto(m.path), " and "))
	}
	return w.Flush()
}

// linkedInto returns which of the programs link a module.
func (o order) linkedInto(path string) []string {
	var names []string
	for _, p := range o.programs {
		for _, m := range p.modules {
			if m.path == path {
				names = append(names, p.name)
			}
		}
	}
	return names
}

// debianName writes an SPDX expression as Debian does.
func debianName(licence string) string {
	return strings.NewReplacer(" AND ", " and ", " OR ", " or ").Replace(licence)
}
