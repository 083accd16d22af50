package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pastAllowed is how far in the past --start may be. The hub starts such a job at
// once.
const pastAllowed = time.Minute

var wallClock = regexp.MustCompile(`^(today|tomorrow|\d{4}-\d\d-\d\d) (\d\d):(\d\d)$`)

// parseStart parses the value of --start: "now", "+10m", "tomorrow 02:00" or
// "2026-11-30 02:00" in the time zone local, or an RFC 3339 time. It returns nil for
// a job that starts at once.
func parseStart(text string, now time.Time, local *time.Location) (*time.Time, error) {
	if text == "" || text == "now" {
		return nil, nil
	}

	if delay, ok := strings.CutPrefix(text, "+"); ok {
		d, err := time.ParseDuration(delay)
		if err != nil || d < 0 {
			return nil, startSyntax(text)
		}
		start := now.Add(d).Truncate(time.Millisecond)
		return &start, nil
	}

	var start time.Time
	var err error
	if wallClock.MatchString(text) {
		start, err = parseWallClock(text, now.In(local))
	} else if start, err = time.Parse(time.RFC3339, text); err != nil {
		err = startSyntax(text)
	}
	if err != nil {
		return nil, err
	}

	if now.Sub(start) > pastAllowed {
		return nil, fmt.Errorf("--start %s is in the past: it is now %s", text, now.UTC().Format(time.RFC3339))
	}

	return &start, nil
}

// parseWallClock returns the moment at which clocks in the time zone of now show
// text. It returns an error for a time that is skipped or that comes twice when
// daylight saving time begins or ends.
func parseWallClock(text string, now time.Time) (time.Time, error) {
	m := wallClock.FindStringSubmatch(text)
	hour, _ := strconv.Atoi(m[2])
	minute, _ := strconv.Atoi(m[3])
	if hour > 23 || minute > 59 {
		return time.Time{}, startSyntax(text)
	}

	day := now
	switch m[1] {
	case "today":
	case "tomorrow":
		day = time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, now.Location())
	default:
		var err error
		if day, err = time.ParseInLocation(time.DateOnly, m[1], time.UTC); err != nil {
			return time.Time{}, startSyntax(text)
		}
	}

	start := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, now.Location())
	if start.Hour() != hour || start.Minute() != minute {
		return time.Time{}, fmt.Errorf("--start %s: clocks skip this time when they go forward; give another time", text)
	}
	if comesTwice(start) {
		return time.Time{}, fmt.Errorf("--start %s: this time comes twice when the clocks go back; give it with its UTC offset, such as %s",
			text, start.Format(time.RFC3339))
	}

	return start, nil
}

// comesTwice reports whether the clocks of t's time zone show t's time twice on its
// day, because they are set back by half an hour or an hour.
func comesTwice(t time.Time) bool {
	for _, shift := range []time.Duration{-time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour} {
		other := t.Add(shift)
		if other.Day() == t.Day() && other.Hour() == t.Hour() && other.Minute() == t.Minute() {
			return true
		}
	}

	return false
}

// startSyntax returns the error for a --start that cannot be parsed.
func startSyntax(text string) error {
	return fmt.Errorf("--start %q: want now, a delay such as +10m or +2h30m, a local time such as 'tomorrow 02:00' or '2026-11-30 02:00', "+
		"or an RFC 3339 time such as 2026-11-24T02:00:00+01:00", text)
}

// localTime formats t in the user's time zone for a table. A nil or zero time gives
// a dash.
func (a *app) localTime(t *time.Time) string {
	if t == nil || t.Year() <= 1 {
		return "-"
	}

	return t.In(a.local).Format("2006-01-02 15:04:05")
}
