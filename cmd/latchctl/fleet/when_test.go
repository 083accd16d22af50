package fleet

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
		{text: "2026-11-23T11:59:30Z", want: "2026-11-23T11:59:30Z"}, // a start of up to a minute ago means at once
		{text: "2026-11-23T11:58:00Z", wantErr: "in the past: it is now 2026-11-23T12:00:00Z"},
		{text: "2026-11-24 02:00", want: "2026-11-24T02:00:00Z"},
		{text: "2026-11-23 11:00", wantErr: "in the past"},
		{text: "2026-02-30 02:00", wantErr: "want now, a delay"},
		{text: "2026-11-24T02:00:00", wantErr: "want now"},
		{text: "2026-02-30T02:00:00Z", wantErr: "want now"},
		{text: "10m", wantErr: "want now"},
		{text: "+10", wantErr: "want now"},
		{text: "+-10m", wantErr: "want now"},
		{text: "+", wantErr: "want now"},
		{text: "Now", wantErr: "want now"},
		{text: "tomorrow 02:00", want: "2026-11-24T02:00:00Z"},
		{text: "today 12:00", want: "2026-11-23T12:00:00Z"},
		{text: "today 11:00", wantErr: "in the past"},
		{text: "tomorrow 24:00", wantErr: "want now"},
		{text: "tomorrow 02:60", wantErr: "want now"},
		{text: "tomorrow", wantErr: "want now"},
		{text: "tomorrow 2:00", wantErr: "want now"},
	}
	for _, tt := range tests {
		got, err := ParseStart(tt.text, now, time.UTC)
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

// TestParseStartByTheWallClock checks that a day and a time mean the technician's time
// zone, also when daylight saving time begins and ends.
func TestParseStartByTheWallClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ now, text, want, wantErr string }{
		{now: "2026-11-23T12:00:00Z", text: "tomorrow 02:00", want: "2026-11-24T01:00:00Z"},
		{now: "2026-11-23T23:30:00Z", text: "today 02:00", want: "2026-11-24T01:00:00Z"}, // in Berlin it is already the 24th
		{now: "2026-11-23T23:30:00Z", text: "tomorrow 02:00", want: "2026-11-25T01:00:00Z"},
		{now: "2026-11-23T23:30:00Z", text: "2026-12-01 02:00", want: "2026-12-01T01:00:00Z"},
		{now: "2026-09-01T12:00:00Z", text: "2026-10-25 02:30", wantErr: "comes twice when the clocks go back"},
		{now: "2026-12-31T12:00:00Z", text: "tomorrow 00:00", want: "2026-12-31T23:00:00Z"},
		{now: "2026-03-28T12:00:00Z", text: "tomorrow 01:59", want: "2026-03-29T00:59:00Z"},
		{now: "2026-03-28T12:00:00Z", text: "tomorrow 02:30", wantErr: "clocks skip this time when they go forward"},
		{now: "2026-03-28T12:00:00Z", text: "tomorrow 03:00", want: "2026-03-29T01:00:00Z"},
		{now: "2026-10-24T12:00:00Z", text: "tomorrow 02:30", wantErr: "comes twice when the clocks go back"},
		{now: "2026-10-24T12:00:00Z", text: "tomorrow 03:00", want: "2026-10-25T02:00:00Z"},
	}
	for _, tt := range tests {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseStart(tt.text, now, berlin)
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%s at %s: %v, %v; want the error %q", tt.text, tt.now, got, err, tt.wantErr)
			}
			continue
		}
		if err != nil || got.UTC().Format(time.RFC3339) != tt.want {
			t.Errorf("%s at %s: %v, %v; want %s", tt.text, tt.now, got, err, tt.want)
		}
	}
}

// TestParseUntil checks that a time without a day is the first such time after the
// start, in the technician's time zone. It also checks that an unlock is at most 24
// hours long.
func TestParseUntil(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) // 13:00 in Berlin

	tests := []struct{ start, text, want, wantErr string }{
		{start: "2026-11-24T07:00:00Z", text: "18:00", want: "2026-11-24T17:00:00Z"},
		{start: "2026-11-24T21:00:00Z", text: "02:00", want: "2026-11-25T01:00:00Z"}, // past midnight
		{start: "2026-11-24T07:00:00Z", text: "08:00", want: "2026-11-25T07:00:00Z"}, // a whole day
		{start: "2026-11-23T12:00:00Z", text: "tomorrow 02:00", want: "2026-11-24T01:00:00Z"},
		{start: "2026-11-24T07:00:00Z", text: "2026-11-24 18:00", want: "2026-11-24T17:00:00Z"},
		{start: "2026-11-24T07:00:00Z", text: "2026-11-24T18:00:00+01:00", want: "2026-11-24T17:00:00Z"},
		{start: "2026-10-24T21:00:00Z", text: "07:00", want: "2026-10-25T06:00:00Z"}, // the clocks go back between start and end
		{start: "2026-10-24T22:30:00Z", text: "02:30", wantErr: "--until 2026-10-25 02:30: this time comes twice when the clocks go back"},
		{start: "2026-03-28T23:30:00Z", text: "02:30", wantErr: "--until 2026-03-29 02:30: clocks skip this time"},
		{start: "2026-11-24T07:00:00Z", text: "today 18:00", wantErr: "--until today 18:00 is not after the start, 2026-11-24 08:00 CET"},
		{start: "2026-11-24T07:00:00Z", text: "2026-11-24 08:00", wantErr: "is not after the start, 2026-11-24 08:00 CET"},
		{start: "2026-11-24T07:00:00Z", text: "2026-11-25 08:01", wantErr: "is more than 24 h after the start, 2026-11-24 08:00 CET"},
		{start: "2026-11-24T07:00:00Z", text: "24:00", wantErr: `--until "24:00": want a local time such as 18:00`},
		{start: "2026-11-24T07:00:00Z", text: "+10h", wantErr: "for a duration use --for"},
		{start: "2026-11-24T07:00:00Z", text: "now", wantErr: "want a local time"},
		{start: "2026-11-24T07:00:00Z", text: "", wantErr: "want a local time"},
	}
	for _, tt := range tests {
		start, err := time.Parse(time.RFC3339, tt.start)
		if err != nil {
			t.Fatal(err)
		}

		got, err := ParseUntil(tt.text, start, now, berlin)
		if tt.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%q after %s: %v, %v; want the error %q", tt.text, tt.start, got, err, tt.wantErr)
			}
			continue
		}
		if err != nil || got.UTC().Format(time.RFC3339) != tt.want {
			t.Errorf("%q after %s: %v, %v; want %s", tt.text, tt.start, got, err, tt.want)
		}
	}
}

func FuzzParseStart(f *testing.F) {
	for _, text := range []string{"now", "+10m", "2026-11-24T02:00:00+01:00", "+9999999h", "tomorrow 02:00", "today 23:59", "2026-11-30 02:00", "0001-01-01T00:00:00Z"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseStart(text, now, time.UTC)
		if err == nil && at != nil && now.Sub(*at) > pastAllowed {
			t.Errorf("%q is %v, in the past", text, at)
		}
	})
}
