package systemd

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A notification has one of three results: there is no service manager, the message was
// not sent, or it was sent.
func TestNotifyResults(t *testing.T) {
	path, abstract := serve(t, false), serve(t, true)

	for name, tc := range map[string]struct {
		socket string
		sent   bool
		err    string
	}{
		"no systemd":     {"", false, ""},
		"path":           {path.name, true, ""},
		"abstract":       {abstract.name, true, ""},
		"no such socket": {filepath.Join(t.TempDir(), "none"), false, "no such file"},
		"unknown family": {"vsock:2:1234", false, "must be an absolute path"},
		"path too long":  {"/" + strings.Repeat("x", 200), false, "invalid argument"},
		"no such name":   {"@latchd-test-nobody", false, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", tc.socket)
			sent, err := FromEnvironment().Notify(Ready, Status("locked"))
			if sent != tc.sent || (err == nil) != (tc.err == "") {
				t.Fatalf("sent %t, %v", sent, err)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.err) || !strings.HasPrefix(err.Error(), "notify systemd of READY through the socket "+tc.socket)) {
				t.Errorf("err = %v", err)
			}
		})
	}

	path.expect("READY=1\nSTATUS=locked")
	abstract.expect("READY=1\nSTATUS=locked")
}

// Without systemd, all functions must do nothing and return no error.
func TestWithoutSystemd(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"} {
		t.Setenv(name, "")
	}

	m := FromEnvironment()
	for name, do := range map[string]func() (bool, error){
		"Notify":  func() (bool, error) { return m.Notify(Ready) },
		"Store":   func() (bool, error) { return m.Store(0, "line") },
		"Remove":  func() (bool, error) { return m.Remove("line") },
		"Barrier": func() (bool, error) { return m.Barrier(t.Context()) },
	} {
		if sent, err := do(); sent || err != nil {
			t.Errorf("%s: %t, %v", name, sent, err)
		}
	}

	if files := Stored(); files != nil {
		t.Errorf("stored files: %v", files)
	}
	if interval, err := WatchdogInterval(); interval != 0 || err != nil {
		t.Errorf("watchdog: %s, %v", interval, err)
	}
	if file, copied := Credential("/etc/latchd/credentials/x"); copied || file != "/etc/latchd/credentials/x" {
		t.Errorf("credential: %s, %t", file, copied)
	}
	if core, ok := JournalCore(os.Stderr, "test", nil); ok || core != nil {
		t.Error("JournalCore returned a core")
	}
	if prefix := ErrorPrefix(os.Stderr); prefix != "" {
		t.Errorf("error prefix %q", prefix)
	}
}

func TestStatusIsOneLine(t *testing.T) {
	t.Parallel()
	if got := Status("jammed\nREADY=1\x00\u009b2J"); got != "STATUS=jammed READY=1 2J" {
		t.Errorf("%q", got)
	}
}

func TestReloadingHasATimestamp(t *testing.T) {
	t.Parallel()
	before := monotonic(t)
	parts := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=(\d+)$`).FindStringSubmatch(Reloading())
	if parts == nil {
		t.Fatalf("%q", Reloading())
	}
	if at, err := strconv.ParseInt(parts[1], 10, 64); err != nil || at < before || at > monotonic(t) {
		t.Errorf("timestamp %s, %v; want %d or later", parts[1], err, before)
	}
}

// monotonic returns the time of the monotonic clock in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestStoreSendsADuplicate(t *testing.T) {
	systemd := serve(t, false)
	m := Manager{systemd.name}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if sent, err := m.Store(int(w.Fd()), "out gpiochip0/3 hold"); !sent || err != nil {
		t.Fatalf("%t, %v", sent, err)
	}
	w.Close()
	files := systemd.expect("FDSTORE=1\nFDNAME=out gpiochip0/3 hold")
	if len(files) != 1 {
		t.Fatalf("received %d files", len(files))
	}
	if _, err := io.WriteString(files[0], "open"); err != nil {
		t.Errorf("systemd's duplicate was closed with the original: %v", err)
	}
	files[0].Close()
	if text, err := io.ReadAll(r); string(text) != "open" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}

	if sent, err := m.Remove("out gpiochip0/3 hold"); !sent || err != nil {
		t.Fatalf("%t, %v", sent, err)
	}
	if files := systemd.expect("FDSTOREREMOVE=1\nFDNAME=out gpiochip0/3 hold"); len(files) != 0 {
		t.Errorf("received %d files", len(files))
	}
	if sent, err := m.Store(-1, "line"); sent || !errors.Is(err, unix.EBADF) {
		t.Errorf("closed file: %t, %v", sent, err)
	}
}

func TestStoreRefusesNamesThatSystemdWouldReplace(t *testing.T) {
	t.Parallel()
	m := Manager{serve(t, false).name}
	for _, name := range []string{"", "a:b", "a\nREADY=1", "ä", "\x7f", strings.Repeat("x", 256)} {
		if sent, err := m.Store(0, name); sent || err == nil {
			t.Errorf("Store(%q): %t, %v", name, sent, err)
		}
		if sent, err := m.Remove(name); sent || err == nil {
			t.Errorf("Remove(%q): %t, %v", name, sent, err)
		}
	}
}

func TestBarrierWaitsForSystemd(t *testing.T) {
	systemd := serve(t, false)
	passed := make(chan error, 1)
	go func() {
		sent, err := Manager{systemd.name}.Barrier(t.Context())
		if err == nil && !sent {
			err = errors.New("not sent")
		}
		passed <- err
	}()

	files := systemd.expect("BARRIER=1")
	if len(files) != 1 {
		t.Fatalf("received %d files", len(files))
	}

	select {
	case err := <-passed:
		t.Fatalf("Barrier returned before systemd closed the file: %v", err)
	default:
	}

	files[0].Close()
	if err := <-passed; err != nil {
		t.Error(err)
	}
}

func TestBarrierIsBounded(t *testing.T) {
	systemd := serve(t, false) // this server reads nothing
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if sent, err := (Manager{systemd.name}).Barrier(ctx); sent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%t, %v", sent, err)
	}
	if sent, err := (Manager{systemd.name + ".none"}).Barrier(t.Context()); sent || !errors.Is(err, unix.ENOENT) {
		t.Errorf("missing socket: %t, %v", sent, err)
	}
}
