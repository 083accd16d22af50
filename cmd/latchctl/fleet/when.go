package fleet

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/cmd/latchctl/words"
)

// MaxUnlock is the longest time for which a user can unlock a door before it locks
// again.
const MaxUnlock = 24 * time.Hour

// pastAllowed is how far in the past --start may be. The hub starts a job with such a
// time at once.
const pastAllowed = time.Minute

var wallClock = regexp.MustCompile(`^(today|tomorrow|\d{4}-\d\d-\d\d) (\d\d):(\d\d)$`)

// ParseStart parses the value of --start: "now", "+10m", "tomorrow 02:00" or
// "2026-11-30 02:00" in the time zone local, or an RFC 3339 time. It returns nil for
// a job that starts at once.
func ParseStart(text string, now time.Time, local *time.Location) (*time.Time, error) {
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
		if errors.Is(err, errNoClockTime) {
			err = startSyntax(text)
		} else if err != nil {
			err = fmt.Errorf("--start %w", err)
		}
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

// errNoClockTime means that a text does not state a local time.
var errNoClockTime = errors.New("want a time of the wall clock")

// clockTime matches a time without a day, such as 18:00, which --until accepts.
var clockTime = regexp.MustCompile(`^\d\d:\d\d$`)

// ParseUntil parses the value of --until. "18:00" means the first time after start at
// which local clocks show 18:00. "tomorrow 02:00" and "2026-11-30 02:00" are local
// times too. RFC 3339 times are also accepted.
func ParseUntil(text string, start, now time.Time, local *time.Location) (time.Time, error) {
	var until time.Time
	var err error

	switch {
	case clockTime.MatchString(text):
		until, err = firstAfter(text, start.In(local))
	case wallClock.MatchString(text):
		until, err = parseWallClock(text, now.In(local))
	default:
		if until, err = time.Parse(time.RFC3339, text); err != nil {
			err = errNoClockTime
		}
	}
	if errors.Is(err, errNoClockTime) {
		return time.Time{}, fmt.Errorf("--until %q: want a local time such as 18:00, 'tomorrow 02:00' or '2026-11-30 02:00', "+
			"or an RFC 3339 time such as 2026-11-24T02:00:00+01:00; for a duration use --for", text)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("--until %w", err)
	}

	switch length := until.Sub(start); {
	case length <= 0:
		return time.Time{}, fmt.Errorf("--until %s is not after the start, %s", text, ZoneTime(start, local))
	case length > MaxUnlock:
		return time.Time{}, fmt.Errorf("--until %s is more than %s after the start, %s; give an earlier time", text, words.Duration(MaxUnlock), ZoneTime(start, local))
	}

	return until, nil
}

// firstAfter returns the first time after start at which a clock shows the time in
// text, such as 18:00. It uses the time zone of start.
func firstAfter(text string, start time.Time) (time.Time, error) {
	first, err := parseWallClock(start.Format(time.DateOnly)+" "+text, start)
	if err != nil || first.After(start) {
		return first, err
	}

	return parseWallClock(start.AddDate(0, 0, 1).Format(time.DateOnly)+" "+text, start)
}

// ZoneTime formats t with the name of the time zone, for a question to the user.
func ZoneTime(t time.Time, local *time.Location) string {
	layout := "2006-01-02 15:04 MST"
	if t.Second() != 0 {
		layout = "2006-01-02 15:04:05 MST"
	}

	return t.In(local).Format(layout)
}

// parseWallClock returns the time at which clocks show text, in the time zone of now.
// It returns an error if daylight saving time makes the clocks skip text or show it
// twice. The caller puts the name of the flag in front of the error text.
func parseWallClock(text string, now time.Time) (time.Time, error) {
	m := wallClock.FindStringSubmatch(text)
	hour, _ := strconv.Atoi(m[2])
	minute, _ := strconv.Atoi(m[3])
	if hour > 23 || minute > 59 {
		return time.Time{}, errNoClockTime
	}

	day := now
	switch m[1] {
	case "today":
	case "tomorrow":
		day = time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, now.Location())
	default:
		var err error
		if day, err = time.ParseInLocation(time.DateOnly, m[1], time.UTC); err != nil {
			return time.Time{}, errNoClockTime
		}
	}

	start := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, now.Location())
	if start.Hour() != hour || start.Minute() != minute {
		return time.Time{}, fmt.Errorf("%s: clocks skip this time when they go forward; give another time", text)
	}
	if comesTwice(start) {
		return time.Time{}, fmt.Errorf("%s: this time comes twice when the clocks go back; give it with its UTC offset, such as %s",
			text, start.Format(time.RFC3339))
	}

	return start, nil
}

// comesTwice reports whether clocks in the time zone of t show the time of t twice on
// that day. This happens when clocks go back by half an hour or an hour.
func comesTwice(t time.Time) bool {
	for _, shift := range []time.Duration{-time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour} {
		other := t.Add(shift)
		if other.Day() == t.Day() && other.Hour() == t.Hour() && other.Minute() == t.Minute() {
			return true
		}
	}

	return false
}

// startSyntax returns the error for a --start that has none of the accepted forms.
func startSyntax(text string) error {
	return fmt.Errorf("--start %q: want now, a delay such as +10m or +2h30m, a local time such as 'tomorrow 02:00' or '2026-11-30 02:00', "+
		"or an RFC 3339 time such as 2026-11-24T02:00:00+01:00", text)
}
