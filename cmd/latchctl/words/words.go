// Package words writes numbers, durations and lists of names as people say them: "3
// doors", "2 min 4 s", "a, b, c, d, e and 7 more". All messages and tables of latchctl
// use it, so that they agree.
package words

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Count returns n with the noun in singular or plural: "1 device", "2 devices".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}

	return fmt.Sprintf("%d %ss", n, noun)
}

// Names joins up to six names with commas. If there are more, it joins the first five
// and appends how many names it left out.
func Names(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:5], ", ") + fmt.Sprintf(" and %d more", len(names)-5)
	}

	return strings.Join(names, ", ")
}

// Duration formats d for people, such as "9 s", "2 min 5 s" or "1 h 3 min".
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}

	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", s/60, s%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", s/3600, s%3600/60), " 0 min")
}

// plainArgument matches ids that mean only themselves on a shell's command line.
var plainArgument = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:+,%@=-]*$`)

// IsPlain reports whether an id means only itself on a shell's command line.
func IsPlain(id string) bool { return plainArgument.MatchString(id) }

// ShellArgument returns an id as a POSIX shell reads it in a command that the user
// copies.
func ShellArgument(id string) string {
	if IsPlain(id) {
		return id
	}

	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}
