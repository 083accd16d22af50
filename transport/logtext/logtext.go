// Package logtext bounds what devices, hubs and other remote parties can write to a
// program's log. Use [Remote] to get a logger for entries that a remote party can cause,
// and [Cut] for a single text in an entry that must never be dropped.
//
// Guarantees:
//   - A text has at most MaxText bytes in the log. What was cut is counted.
//   - A flood writes at most MaxEntries entries with the same message in each Window. The
//     next entry says how many were dropped. Entries with other messages are not
//     affected.
//   - If entries name an address in the field [Address], at most MaxPerAddress of them
//     are written for each address. A flood from one address therefore leaves room for
//     entries about other addresses.
//
// The package does not escape texts. The log's encoder does that once.
package logtext

import (
	"fmt"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	MaxText    = 256              // maximum length of a text in an entry, in bytes
	MaxEntries = 10               // maximum number of entries with the same message in a Window
	Window     = 10 * time.Second // time after which entries with the same message are written again

	// MaxPerAddress is the maximum number of entries with the same message and the same
	// address in a Window. Ports do not distinguish addresses.
	MaxPerAddress = 3

	// Address is the key of the field that contains a remote party's address, such as
	// HOST:PORT.
	Address = "remote"

	// maxMessages limits the number of messages that a logger distinguishes. Messages are
	// constants, so a program has fewer.
	maxMessages = 256
)

// Cut returns text if it has at most MaxText bytes. Otherwise, it returns the beginning
// of the text, without a broken character, and the number of bytes that are missing.
func Cut(text string) string {
	if len(text) <= MaxText {
		return text
	}

	end := MaxText
	for end > MaxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d more bytes)", text[:end], len(text)-end)
}

// Remote returns a logger for entries that a remote party can cause or whose fields
// contain its text. The logger cuts texts and drops entries of a flood, as described in
// the package's guarantees.
func Remote(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return core{c, &limiter{written: make(map[string]window)}}
	}))
}

// core is a zapcore.Core that cuts texts and drops entries.
type core struct {
	zapcore.Core
	limiter *limiter // shared with the cores that With returns
}

func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.Core.With(cutFields(fields)), c.limiter}
}

func (c core) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	write, dropped := c.limiter.count(e, address(fields))
	if !write {
		return nil
	}

	fields = cutFields(fields)
	if dropped > 0 {
		fields = append(fields, zap.Int("dropped_entries", dropped))
	}
	return c.Core.Write(e, fields)
}

// address returns the host in the field Address, or "" if fields contain no such field.
func address(fields []zapcore.Field) string {
	for _, f := range fields {
		if f.Key != Address {
			continue
		}

		text := f.String
		if value, ok := f.Interface.(fmt.Stringer); ok {
			text = value.String()
		}
		if host, _, err := net.SplitHostPort(text); err == nil {
			return host
		}
		return text
	}
	return ""
}

// cutFields returns a copy of fields in which all texts are cut.
func cutFields(fields []zapcore.Field) []zapcore.Field {
	short := make([]zapcore.Field, 0, len(fields)+1)
	for _, f := range fields {
		switch value := f.Interface.(type) {
		case error:
			if text := value.Error(); len(text) > MaxText { // a short error keeps its type
				f = zap.String(f.Key, Cut(text))
			}
		case fmt.Stringer:
			f = zap.String(f.Key, Cut(value.String()))
		case []byte:
			f = zap.String(f.Key, Cut(string(value)))
		default:
			f.String = Cut(f.String)
		}
		short = append(short, f)
	}
	return short
}

// limiter counts the entries with each message.
type limiter struct {
	mu      sync.Mutex
	written map[string]window // key: message
}

// window is the state of one message.
type window struct {
	began   time.Time
	written int // number of entries written since began
	dropped int // number of entries dropped since began

	// byAddress counts the written entries of each address. It has at most MaxEntries
	// elements.
	byAddress map[string]int
}

// count counts an entry. It reports whether the entry must be written, and how many
// entries with this message were dropped in the previous window. address is the remote
// party's address, or "" if the entry names none.
func (l *limiter) count(e zapcore.Entry, address string) (write bool, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()

	message := e.Message
	w, known := l.written[message]
	if !known && len(l.written) >= maxMessages {
		message = "" // all further messages share one window
		w = l.written[message]
	}

	if age := e.Time.Sub(w.began); age >= Window || age < 0 {
		dropped = w.dropped
		w = window{began: e.Time}
	}

	write = w.written < MaxEntries && (address == "" || w.byAddress[address] < MaxPerAddress)
	switch {
	case !write:
		w.dropped++
	case address == "":
		w.written++
	default:
		w.written++
		if w.byAddress == nil {
			w.byAddress = make(map[string]int)
		}
		w.byAddress[address]++
	}
	l.written[message] = w
	return write, dropped
}
