package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pastAllowed is how old a start may be and still mean at once.
const pastAllowed = time.Minute

var wallClock = regexp.MustCompile(`^(today|tomorrow|\d{4}-\d\d-\d\d) (\d\d):(\d\d)$`)

// parseStart reads when a job is to start: "now", "+10m", "tomorrow 02:00" or
// "2026-11-30 02:00" by the clocks of local, or an RFC 3339 time. Nil is at once.
func parseStart(text string, now time.Time, local *time.Location) (*time.Time, error) {
	var at time.Time
	var err error
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
	case wallClock.MatchString(text):
		at, err = parseWallClock(text, now.In(local))
	default:
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			err = startForm(text)
		}
	}
	if err != nil {
		return nil, err
	}
	if now.Sub(at) > pastAllowed {
		return nil, fmt.Errorf("--start %s is in the past: it is %s now", text, now.UTC().Format(time.RFC3339))
	}
	return &at, nil
}

// parseWallClock finds the moment at which the clocks on the wall show what text
// says. In the night in which they are changed, there may be none, or two.
func parseWallClock(text string, now time.Time) (time.Time, error) {
	m := wallClock.FindStringSubmatch(text)
	hour, _ := strconv.Atoi(m[2])
	minute, _ := strconv.Atoi(m[3])
	if hour > 23 || minute > 59 {
		return time.Time{}, startForm(text)
	}
	day := now
	switch m[1] {
	case "today":
	case "tomorrow":
		day = time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, now.Location())
	default:
		var err error
		if day, err = time.ParseInLocation(time.DateOnly, m[1], time.UTC); err != nil {
			return time.Time{}, startForm(text)
		}
	}
	at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, now.Location())
	if at.Hour() != hour || at.Minute() != minute {
		return time.Time{}, fmt.Errorf("--start %s: that time is skipped when the clocks go forward; give another", text)
	}
	for _, shift := range []time.Duration{-time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour} {
		if other := at.Add(shift); other.Day() == at.Day() && other.Hour() == hour && other.Minute() == minute {
			return time.Time{}, fmt.Errorf("--start %s: that time comes twice when the clocks go back; give it with its offset, such as %s",
				text, at.Format(time.RFC3339))
		}
	}
	return at, nil
}

func startForm(text string) error {
	return fmt.Errorf("--start %q: want now, a time from now such as +10m or +2h30m, a day with a time such as tomorrow 02:00 or 2026-11-30 02:00, "+
		"or a time such as 2026-11-24T02:00:00+01:00", text)
}

// localTime writes t for a table.
func (a *app) localTime(t *time.Time) string {
	if t == nil || t.Year() <= 1 {
		return "-"
	}
	return t.In(a.local).Format("2006-01-02 15:04:05")
}
