package main

import (
	"fmt"
	"strings"
	"time"
)

// pastAllowed is how old a start may be and still mean at once.
const pastAllowed = time.Minute

// parseStart reads when a job is to start: "now", "+10m", or an RFC 3339 time.
// Nil is at once.
func parseStart(text string, now time.Time) (*time.Time, error) {
	switch {
	case text == "" || text == "now":
		return nil, nil
	case strings.HasPrefix(text, "+"):
		d, err := time.ParseDuration(text[1:])
		if err != nil || d < 0 {
			return nil, startForm(text)
		}
		at := now.Add(d).Truncate(time.Millisecond)
		return &at, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, startForm(text)
	}
	if now.Sub(at) > pastAllowed {
		return nil, fmt.Errorf("--start %s is in the past: it is %s now", text, now.UTC().Format(time.RFC3339))
	}
	return &at, nil
}

func startForm(text string) error {
	return fmt.Errorf("--start %q: want now, a time from now such as +10m or +2h30m, or a time such as 2026-11-24T02:00:00+01:00", text)
}

// localTime writes t for a table.
func (a *app) localTime(t *time.Time) string {
	if t == nil || t.Year() <= 1 {
		return "-"
	}
	return t.In(a.local).Format("2006-01-02 15:04:05")
}
