package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"
)

// decode parses an entry in the journal's native protocol, as the journal does.
func decode(entry string) (fields []field, err error) {
	for entry != "" {
		line, rest, ok := strings.Cut(entry, "\n")
		if !ok {
			return nil, fmt.Errorf("no line feed: %q", entry)
		}
		entry = rest

		if name, value, ok := strings.Cut(line, "="); ok {
			fields = append(fields, field{name, value})
			continue
		}

		if len(rest) < 8 {
			return nil, fmt.Errorf("%s: the length is missing", line)
		}
		n := binary.LittleEndian.Uint64([]byte(rest[:8]))
		if rest = rest[8:]; uint64(len(rest)) <= n || rest[n] != '\n' {
			return nil, fmt.Errorf("%s: the value does not have the length %d", line, n)
		}
		fields = append(fields, field{line, rest[:n]})
		entry = rest[n+1:]
	}
	return fields, nil
}

func FuzzJournalEntry(f *testing.F) {
	f.Add("requestId", "7", "error", "line one\nline two\n")
	f.Add("", "\n", "_PID", "1")
	f.Add("a=b\n", "=", "MESSAGE", "\nMESSAGE=x")
	f.Add("two words", "\xff\x00", strings.Repeat("N", 100), strings.Repeat("v", 1000))

	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		want := []field{{fieldName(key1), value1}, {fieldName(key2), value2}}
		entry := appendField(appendField(nil, want[0].key, value1), want[1].key, value2)
		got, err := decode(string(entry))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("entry %q: decoded %q, %v; want %q", entry, got, err, want)
		}

		for _, f := range want {
			name := strings.Trim(f.key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
			if name != "" || f.key == "" || len(f.key) > 64 || f.key[0] == '_' || f.key[0] <= '9' {
				t.Errorf("the journal would refuse the name %q", f.key)
			}
		}
	})
}

func TestFieldName(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"device_id": "DEVICE_ID",
		"requestId": "REQUEST_ID",
		"method":    "METHOD",
		"two words": "TWO_WORDS",
		"message":   "FIELD_MESSAGE",
		"priority":  "FIELD_PRIORITY",
		"_pid":      "FIELD__PID",
		"2nd":       "FIELD_2ND",
		"":          "FIELD_",
	} {
		if got := fieldName(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
}

// logTo returns a logger that sends its entries to the test server.
func logTo(t *testing.T, s *server, level zapcore.Level) *zap.Logger {
	t.Helper()
	core, err := newJournalCore(s.name, "latchd", level)
	if err != nil {
		t.Fatal(err)
	}
	return zap.New(core)
}

func TestJournalCore(t *testing.T) {
	journal := serve(t, false)
	log := logTo(t, journal, zap.InfoLevel).With(zap.String("device_id", "door-1"))

	for name, tc := range map[string]struct {
		write func()
		want  []field
	}{
		"plain": {
			func() { log.Info("starting") },
			[]field{{"PRIORITY", "6"}, {"MESSAGE", "starting"}, {"SYSLOG_IDENTIFIER", "latchd"}, {"DEVICE_ID", "door-1"}},
		},
		"method": {
			func() {
				log.With(zap.String("method", "lockDoor"), zap.String("request_id", "7")).Warn("refused", zap.Int("status", 409), zap.Duration("took", time.Second))
			},
			[]field{{"PRIORITY", "4"}, {"MESSAGE", "refused (status=409, took=1s)"}, {"SYSLOG_IDENTIFIER", "latchd"}, {"DEVICE_ID", "door-1"},
				{"METHOD", "lockDoor"}, {"REQUEST_ID", "7"}, {"STATUS", "409"}, {"TOOK", "1s"}},
		},
		"error of two lines": {
			func() { log.Error("save", zap.String("file", "a b"), zap.Error(errors.New("one\ntwo"))) },
			[]field{{"PRIORITY", "3"}, {"MESSAGE", "save: one\ntwo (file=\"a b\")"}, {"SYSLOG_IDENTIFIER", "latchd"}, {"DEVICE_ID", "door-1"},
				{"FILE", "a b"}, {"ERROR", "one\ntwo"}},
		},
		"text that is not printable": {
			func() {
				log.Warn("refused", zap.String("name", "a\x1b[2Jö\xff"), zap.String("id", "1\r2 3"), zap.Error(errors.New("no\x1b[2J\x00")))
			},
			[]field{{"PRIORITY", "4"}, {"MESSAGE", `refused: no\x1b[2J\x00 (name="a\x1b[2Jö\xff", id="1\r2 3")`}, {"SYSLOG_IDENTIFIER", "latchd"}, {"DEVICE_ID", "door-1"},
				{"NAME", "a\x1b[2Jö\xff"}, {"ID", "1\r2 3"}, {"ERROR", "no\x1b[2J\x00"}},
		},
		"named logger": {
			func() {
				log.Named("mqtt").Info("up", zap.Any("list", []int{1, 2}), zap.ByteString("answer", []byte(`{"ok":1}`)))
			},
			[]field{{"PRIORITY", "6"}, {"MESSAGE", `up (list=[1,2], answer={"ok":1})`}, {"LOGGER", "mqtt"}, {"SYSLOG_IDENTIFIER", "latchd"}, {"DEVICE_ID", "door-1"},
				{"LIST", "[1,2]"}, {"ANSWER", `{"ok":1}`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log.Debug("below the level, so not sent")
			tc.write()
			entry, _ := journal.next()
			got, err := decode(entry)
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got  %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
}

func TestJournalLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[zapcore.Level]int{
		zap.DebugLevel: 7, zap.InfoLevel: 6, zap.WarnLevel: 4, zap.ErrorLevel: 3, zap.DPanicLevel: 2, zap.PanicLevel: 2, zap.FatalLevel: 2,
	} {
		if got := priority(level); got != want {
			t.Errorf("%s: %d, want %d", level, got, want)
		}
	}
}

// An entry that is too large for a datagram must be sent as a sealed file.
func TestJournalLargeEntry(t *testing.T) {
	journal := serve(t, false)
	large := strings.Repeat("0123456789abcdef", 64<<10)
	logTo(t, journal, zap.InfoLevel).Info("large", zap.String("payload", large))

	message, files := journal.next()
	if message != "" || len(files) != 1 {
		t.Fatalf("received a message of %d bytes with %d files", len(message), len(files))
	}
	seals, err := unix.FcntlInt(files[0].Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL; err != nil || seals != want {
		t.Errorf("seals %#x, %v; want %#x", seals, err, want)
	}

	entry, err := io.ReadAll(io.NewSectionReader(files[0], 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	if fields, err := decode(string(entry)); err != nil || !slices.Contains(fields, field{"PAYLOAD", large}) {
		t.Errorf("%d fields, %v", len(fields), err)
	}
}

// If the journal is busy, the logger must not wait. It must drop and count entries.
func TestJournalDoesNotRead(t *testing.T) {
	journal := serve(t, false)
	core, err := newJournalCore(journal.name, "latchd", zap.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}

	state, log := core.(*journalCore).journal, zap.New(core)
	for state.lost < 1000 {
		log.Info("dropped")
	}
	if !state.stalled {
		t.Fatal("the core has not noticed that the journal does not read")
	}

	journal.next()
	log.Info("again")
	for {
		entry, _ := journal.next()
		fields, err := decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(fields, field{"MESSAGE", "again"}) {
			if !slices.Contains(fields, field{"LOST_ENTRIES", "1000"}) {
				t.Errorf("the entry does not count the lost ones: %q", fields)
			}
			break
		}
	}

	if state.stalled || state.lost != 0 {
		t.Errorf("stalled %t, lost %d", state.stalled, state.lost)
	}
}

func TestJournalMissing(t *testing.T) {
	journal := serve(t, false)
	core, err := newJournalCore(journal.name, "latchd", zap.InfoLevel)
	if err != nil {
		t.Fatal(err)
	}
	journal.conn.Close()
	if err := core.Write(zapcore.Entry{Message: "x"}, nil); err == nil || !strings.HasPrefix(err.Error(), "write to the journal: ") {
		t.Errorf("err = %v", err)
	}
}

func TestIsJournal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	for stream, want := range map[string]bool{"": false, "x": false, "8:1": false, own: true, own + "0": false} {
		if IsJournal(f, stream) != want {
			t.Errorf("JOURNAL_STREAM=%s: want %t", stream, want)
		}
	}

	t.Setenv("JOURNAL_STREAM", own)
	if ErrorPrefix(f) != "<3>" || ErrorPrefix(io.Discard) != "" {
		t.Errorf("prefixes %q and %q", ErrorPrefix(f), ErrorPrefix(io.Discard))
	}
}
