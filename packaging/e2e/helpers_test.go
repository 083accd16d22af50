//go:build e2e

package e2e

import "strings"

// contains reports whether text contains each of the parts.
func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// status returns the first two words of latchctl's output after a method call, such as
// "status 200".
func status(out string) string {
	words := strings.Fields(out)
	return strings.Join(words[:min(2, len(words))], " ")
}
