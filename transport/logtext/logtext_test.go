package logtext

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestCut(t *testing.T) {
	t.Parallel()

	x := strings.Repeat("x", MaxText)
	for _, tc := range []struct{ text, want string }{
		{"", ""},
		{x, x},
		{x + "y", x + "… (1 more bytes)"},
		{x[:255] + "äb", x[:255] + "… (3 more bytes)"},
		{x[:254] + "äb", x[:254] + "ä… (1 more bytes)"},
		{x[:253] + "🔒b", x[:253] + "… (5 more bytes)"},
		{strings.Repeat("\x80", 300), strings.Repeat("\x80", 252) + "… (48 more bytes)"}, // not UTF-8
		{strings.Repeat("a\n", 500), strings.Repeat("a\n", 128) + "… (744 more bytes)"},
	} {
		if got := Cut(tc.text); got != tc.want {
			t.Errorf("Cut(%.20q…, %d bytes) = %q, want %q", tc.text, len(tc.text), got, tc.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add(strings.Repeat("x", MaxText-1) + "🔒🔒")
	f.Fuzz(func(t *testing.T, text string) {
		got := Cut(text)
		kept, _, _ := strings.Cut(got, "… (")
		switch {
		case len(text) <= MaxText && got != text:
			t.Errorf("a short text was changed to %q", got)
		case len(got) > MaxText+40:
			t.Errorf("%d bytes are left", len(got))
		case utf8.ValidString(text) && !utf8.ValidString(got):
			t.Errorf("a character is broken: %q", got)
		case !strings.HasPrefix(text, kept):
			t.Errorf("got %q", got)
		}
	})
}

// text is a fmt.Stringer.
type text string

func (s text) String() string { return string(s) }

// A remote party can put its text into any field.
func TestRemoteCutsFields(t *testing.T) {
	t.Parallel()

	const size = 130_000
	long := strings.Repeat("x", size)
	short, logs := observer.New(zap.InfoLevel)
	log := Remote(zap.New(short)).With(zap.String("method", long))
	log.Info("answered", zap.ByteString("answer", []byte(long)), zap.Error(errors.New(long)), zap.Stringer("text", text(long)),
		zap.Int("status", 200), zap.Duration("took", time.Second), zap.NamedError("cause", errors.New("brief")))

	want := Cut(long)
	fields := logs.All()[0].ContextMap()
	for key, value := range map[string]any{
		"method": want, "answer": want, "error": want, "text": want, "status": int64(200), "took": time.Second, "cause": "brief",
	} {
		if fields[key] != value {
			t.Errorf("%s is %.300v, want %.300v", key, fields[key], value)
		}
	}
}

// A flood of one message must not displace other messages. Its next entry after the
// flood says how many were dropped.
func TestRemoteLimitsFloods(t *testing.T) {
	t.Parallel()

	all, logs := observer.New(zap.InfoLevel)
	clock := &clock{time.Unix(1795437432, 0)}
	plain := zap.New(all, zap.WithClock(clock))
	log := Remote(plain)

	for range 1000 {
		log.Info("flood")
		log.With(zap.Int("n", 1)).Info("flood") // shares the limit
	}
	log.Info("rare")
	plain.Info("unlocked")
	clock.now = clock.now.Add(Window - 1)
	log.Info("flood")
	clock.now = clock.now.Add(1)
	log.Info("flood")
	log.Info("flood")

	var got []string
	for _, e := range logs.All() {
		word := e.Message
		if n, dropped := e.ContextMap()["dropped_entries"]; dropped {
			word += fmt.Sprintf(" (%d dropped)", n)
		}
		got = append(got, word)
	}
	want := strings.Repeat("flood, ", 10) + "rare, unlocked, flood (1991 dropped), flood"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %v", got)
	}
}

// A flood from one address must not hide entries about another address. A remote party
// chooses its port, so ports do not count.
func TestRemoteLimitsFloodsOfAnAddress(t *testing.T) {
	t.Parallel()

	all, logs := observer.New(zap.InfoLevel)
	log := Remote(zap.New(all))
	for port := range 1000 {
		log.Info("refused", zap.Stringer(Address, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port}))
		log.Info("refused", zap.String(Address, fmt.Sprintf("[2001:db8::1]:%d", port)))
	}
	log.Info("refused", zap.String(Address, "192.0.2.2:1"))
	log.Info("refused", zap.String(Address, "@")) // a Unix socket
	for n := range 1000 {
		log.Info("refused", zap.String(Address, fmt.Sprintf("192.0.3.%d:1", n)))
	}

	var got []string
	for _, e := range logs.All() {
		got = append(got, e.ContextMap()[Address].(string))
	}
	want := "192.0.2.1:0, [2001:db8::1]:0, 192.0.2.1:1, [2001:db8::1]:1, 192.0.2.1:2, [2001:db8::1]:2, 192.0.2.2:1, @, 192.0.3.0:1, 192.0.3.1:1"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %v", got)
	}
}

// The limiter's memory is bounded, even if messages are not constants.
func TestRemoteBoundsItsMemory(t *testing.T) {
	t.Parallel()

	l := limiter{written: make(map[string]window)}
	for n := range 100_000 {
		l.count(zapcore.Entry{Message: strings.Repeat("x", n%1000)}, fmt.Sprintf("192.0.2.%d", n))
	}
	if len(l.written) > maxMessages+1 {
		t.Errorf("%d messages are remembered", len(l.written))
	}
	for message, w := range l.written {
		if len(w.byAddress) > MaxEntries {
			t.Errorf("%d addresses are remembered for %q", len(w.byAddress), message)
		}
	}
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time                       { return c.now }
func (c *clock) NewTicker(time.Duration) *time.Ticker { panic("not used") }
