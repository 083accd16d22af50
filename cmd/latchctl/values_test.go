package main

import (
	"testing"
	"time"
)

func TestLocalTime(t *testing.T) {
	a := &app{local: time.FixedZone("CET", 3600)}
	at := time.Date(2026, 11, 23, 23, 30, 0, 5, time.UTC)
	if got := a.localTime(&at); got != "2026-11-24 00:30:00" {
		t.Error(got)
	}
	never := time.Time{}
	if a.localTime(nil) != "-" || a.localTime(&never) != "-" {
		t.Error("never is not a dash")
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]string{"15": "15s", "15s": "15s", "90s": "90s", "2m": "2m", "1h30m": "90m", "1h": "1h", "0": "0", "0s": "0"} {
		var s seconds
		if err := s.Set(text); err != nil || s.String() != want {
			t.Errorf("%q: %s, %v; want %s", text, &s, err, want)
		}
	}
	for _, text := range []string{"", "1.5s", "-1", "-1s", "soon", "1d", "100ms", "99999999999", "9999999h"} {
		var s seconds
		if err := s.Set(text); err == nil {
			t.Errorf("%q: %s, want an error", text, &s)
		}
	}
}
