package main

import (
	"time"
)

// localTime formats t in the user's time zone for a table. It returns a dash if t is
// nil or zero.
func (a *app) localTime(t *time.Time) string {
	if t == nil || t.Year() <= 1 {
		return "-"
	}

	return t.In(a.local).Format("2006-01-02 15:04:05")
}
