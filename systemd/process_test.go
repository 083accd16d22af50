package systemd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain runs the tests of this package. A test can start this binary as a service
// with stored files. TestMain then runs the function child instead.
func TestMain(m *testing.M) {
	if os.Getenv("SYSTEMD_TEST_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// child prints the stored files that systemd has passed to this process.
func child() {
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()+len(os.Getenv("OTHER_PID"))))
	for _, f := range Stored() {
		text, err := io.ReadAll(f)
		fmt.Printf("%s: %s %v\n", f.Name(), text, err)
	}
	fmt.Printf("second call: %d, %q\n", len(Stored()), os.Getenv("LISTEN_FDNAMES"))
}

func TestStoredReturnsNamedFilesOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		environment []string
		want        string
	}{
		"stored":      {[]string{"LISTEN_FDS=2", "LISTEN_FDNAMES=line one:line two"}, "line one: first <nil>\nline two: second <nil>\nsecond call: 0, \"\"\n"},
		"another pid": {[]string{"LISTEN_FDS=2", "LISTEN_FDNAMES=a:b", "OTHER_PID=1"}, "second call: 0, \"\"\n"},
		"none":        {[]string{"LISTEN_FDS=0"}, "second call: 0, \"\"\n"},
		"bad number":  {[]string{"LISTEN_FDS=x"}, "second call: 0, \"\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var files []*os.File
			for _, text := range []string{"first", "second"} {
				f, err := os.CreateTemp(t.TempDir(), "")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				f.WriteString(text)
				f.Seek(0, io.SeekStart)
				files = append(files, f)
			}

			var out bytes.Buffer
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(append(os.Environ(), "SYSTEMD_TEST_CHILD=1"), tc.environment...)
			cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = files, &out, os.Stderr
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			if out.String() != tc.want {
				t.Errorf("got\n%swant\n%s", &out, tc.want)
			}
		})
	}
}

func TestWatchdogInterval(t *testing.T) {
	own := strconv.Itoa(os.Getpid())

	for _, tc := range []struct {
		usec, pid string
		want      time.Duration
		ok        bool
	}{
		{"", "", 0, true},
		{"2000000", own, 2 * time.Second, true},
		{"2000000", "", 2 * time.Second, true},
		{"2000000", "1", 0, true}, // systemd watches a process with another id
		{"0", own, 0, false},
		{"soon", own, 0, false},
		{"2000000", "me", 0, false},
	} {
		t.Setenv("WATCHDOG_USEC", tc.usec)
		t.Setenv("WATCHDOG_PID", tc.pid)
		if got, err := WatchdogInterval(); got != tc.want || (err == nil) != tc.ok {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s, %v", tc.usec, tc.pid, got, err)
		}
	}
}

// A unit's command copies secrets into the runtime directory.
func TestCopiedCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	t.Setenv("RUNTIME_DIRECTORY", dir)
	copied := filepath.Join(CopiedCredentials(), CredentialName("/etc/latchd/credentials/side/key"))
	if want := filepath.Join(dir, "credentials", "side_key"); copied != want {
		t.Fatalf("the copy is %s, want %s", copied, want)
	}

	if got, ok := Credential("/etc/latchd/credentials/side/key"); got != "/etc/latchd/credentials/side/key" || ok {
		t.Errorf("without a copy: %s, %t", got, ok)
	}
	if err := os.Mkdir(filepath.Dir(copied), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if got, ok := Credential("/etc/latchd/credentials/side/key"); got != copied || !ok {
		t.Errorf("with a copy: %s, %t", got, ok)
	}
}

func TestCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(filepath.Join(dir, "credentials_connection-string"), nil, 0o400); err != nil {
		t.Fatal(err)
	}

	for path, want := range map[string]string{
		"/etc/latchd/credentials/connection-string": filepath.Join(dir, "credentials_connection-string"),
		"/etc/latchd/credentials/other":             "/etc/latchd/credentials/other",
		"/etc/latchd/connection-string":             "/etc/latchd/connection-string",
	} {
		if got, copied := Credential(path); got != want || copied != strings.HasPrefix(want, dir) {
			t.Errorf("%s: %s, %t", path, got, copied)
		}
	}
}
