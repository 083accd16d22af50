package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseStart(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
	at := func(d time.Duration) string {
		return now.Add(d).Truncate(time.Millisecond).Format(time.RFC3339Nano)
	}
	tests := []struct{ text, want, wantErr string }{
		{text: "", want: "now"},
		{text: "now", want: "now"},
		{text: "+10m", want: at(10 * time.Minute)},
		{text: "+2h30m", want: at(150 * time.Minute)},
		{text: "+0s", want: at(0)},
		{text: "2026-11-24T02:00:00+01:00", want: "2026-11-24T01:00:00Z"},
		{text: "2026-11-24T02:00:00Z", want: "2026-11-24T02:00:00Z"},
		{text: "2026-11-23T11:59:30Z", want: "2026-11-23T11:59:30Z"}, // a little past is at once
		{text: "2026-11-23T11:58:00Z", wantErr: "in the past: it is 2026-11-23T12:00:00Z now"},
		{text: "2026-11-24 02:00", wantErr: "want now, a time from now"},
		{text: "2026-11-24T02:00:00", wantErr: "want now"},
		{text: "2026-02-30T02:00:00Z", wantErr: "want now"},
		{text: "10m", wantErr: "want now"},
		{text: "+10", wantErr: "want now"},
		{text: "+-10m", wantErr: "want now"},
		{text: "+", wantErr: "want now"},
		{text: "Now", wantErr: "want now"},
		{text: "tomorrow 02:00", wantErr: "want now"},
	}
	for _, tt := range tests {
		got, err := parseStart(tt.text, now)
		text := "now"
		if got != nil {
			text = got.UTC().Format(time.RFC3339Nano)
		}
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%q: %s, %v; want the error %q", tt.text, text, err, tt.wantErr)
			}
			continue
		}
		if err != nil || text != tt.want {
			t.Errorf("%q: %s, %v; want %s", tt.text, text, err, tt.want)
		}
	}
}

func FuzzParseStart(f *testing.F) {
	for _, text := range []string{"now", "+10m", "2026-11-24T02:00:00+01:00", "+9999999h", "0001-01-01T00:00:00Z"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseStart(text, now)
		if err == nil && at != nil && now.Sub(*at) > pastAllowed {
			t.Errorf("%q is %v, in the past", text, at)
		}
	})
}

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
