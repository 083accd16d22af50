package systemd

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"
)

// JournalCore returns a zap core that writes log entries to systemd's journal. It
// returns nil and false if stderr is not connected to the journal.
//
// Each field of an entry and of its logger becomes a journal field. The journal field
// MESSAGE contains the entry's text and fields, but not the fields of the logger (zap's
// With). The journal receives an entry completely or not at all. If the journal is
// busy, the first entry waits for up to 100 ms. Further entries do not wait and may be
// lost.
func JournalCore(stderr io.Writer, identifier string, level zapcore.LevelEnabler) (zapcore.Core, bool) {
	f, ok := stderr.(*os.File)
	if !ok || !IsJournal(f, os.Getenv("JOURNAL_STREAM")) {
		return nil, false
	}
	if _, err := os.Stat(journalSocket); err != nil {
		return nil, false
	}
	core, err := newJournalCore(journalSocket, identifier, level)
	return core, err == nil
}

func newJournalCore(socket, identifier string, level zapcore.LevelEnabler) (zapcore.Core, error) {
	j, err := openJournal(socket)
	if err != nil {
		return nil, err
	}
	return &journalCore{
		LevelEnabler: level,
		journal:      j,
		fields:       appendField(nil, "SYSLOG_IDENTIFIER", identifier),
	}, nil
}

// journalCore is a zapcore.Core that writes to systemd's journal.
type journalCore struct {
	zapcore.LevelEnabler
	journal *journal
	fields  []byte // encoded fields that every entry contains
}

func (c *journalCore) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.fields = slices.Clip(c.fields)
	for _, f := range flatten(fields) {
		with.fields = appendField(with.fields, fieldName(f.key), f.value)
	}
	return &with
}

func (c *journalCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c *journalCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	flat := flatten(fields)

	entry := appendField(nil, "PRIORITY", strconv.Itoa(priority(e.Level)))
	entry = appendField(entry, "MESSAGE", message(e.Message, flat))
	if e.LoggerName != "" {
		entry = appendField(entry, "LOGGER", e.LoggerName)
	}
	if e.Stack != "" {
		entry = appendField(entry, "STACK", e.Stack)
	}

	entry = append(entry, c.fields...)
	for _, f := range flat {
		entry = appendField(entry, fieldName(f.key), f.value)
	}
	return c.journal.write(entry)
}

// Sync does nothing, because Write sends each entry immediately.
func (c *journalCore) Sync() error { return nil }

// priority returns the syslog priority that corresponds to a log level.
func priority(level zapcore.Level) int {
	switch {
	case level >= zapcore.DPanicLevel:
		return 2
	case level == zapcore.ErrorLevel:
		return 3
	case level == zapcore.WarnLevel:
		return 4
	case level == zapcore.InfoLevel:
		return 6
	}
	return 7
}

// field is a log field whose value was converted to text.
type field struct{ key, value string }

// flatten converts the values of log fields to text. It keeps the order of the fields.
// zap adds a field with verbose text to some errors. flatten omits this field, because
// its text repeats the error.
func flatten(fields []zapcore.Field) []field {
	flat := make([]field, 0, len(fields))
	for _, f := range fields {
		values := zapcore.NewMapObjectEncoder()
		f.AddTo(values)
		for _, key := range slices.Sorted(maps.Keys(values.Fields)) {
			if key != f.Key+"Verbose" {
				flat = append(flat, field{key, text(values.Fields[key])})
			}
		}
	}
	return flat
}

// text returns the value of a log field as text for people.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case fmt.Stringer:
		return v.String()
	}

	if b, err := json.Marshal(value); err == nil {
		return string(b)
	}
	return fmt.Sprint(value)
}

// message returns the text of a log entry for people: the event, the error after a
// colon, and the other fields in parentheses. It escapes characters that are not
// printable, because journalctl hides a text that contains one.
func message(event string, fields []field) string {
	var others []string
	for _, f := range fields {
		value := f.value
		if f.key == "error" {
			event += ": " + escape(value)
			continue
		}
		if value == "" || strings.ContainsAny(value, " \n") || escape(value) != value {
			value = strconv.Quote(value)
		}
		others = append(others, f.key+"="+value)
	}

	if len(others) > 0 {
		event += " (" + strings.Join(others, ", ") + ")"
	}
	return event
}

// escape replaces each character of text that is neither printable nor a line feed by an
// escape sequence of Go, such as \x1b.
func escape(text string) string {
	var escaped strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		if r == '\n' || strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1) {
			escaped.WriteRune(r)
			continue
		}
		quoted := strconv.Quote(text[i : i+size])
		escaped.WriteString(quoted[1 : len(quoted)-1])
	}
	return escaped.String()
}
