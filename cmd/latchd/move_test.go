package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/systemd"
)

// reload makes the agent reload its configuration. It sends SIGHUP to this process.
func (g *gateway) reload(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// mockGateway starts an agent with a simulated door.
func mockGateway(t *testing.T, lockKeys string) *gateway {
	t.Helper()
	g := newGateway(t, map[string]string{
		"latchd.toml": strings.Replace(testConfig, "ENDPOINT", silentHub(t), 1) + lockKeys +
			"\n[lock.door_sensor]\n[lock.exit]\n[lock.mock]\ntravel = \"0s\"\n",
		"credentials/connection-string": goodSecret,
	})
	g.start(t)
	g.await(t, "the lock is locked", func(status map[string]any) bool {
		return textAt(status, "lock", "position") == "locked" && textAt(status, "door", "open") == "false"
	})
	return g
}

// latchd runs a command line and returns its output.
func (g *gateway) latchd(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	args = append([]string{args[0], "--config", g.file}, args[1:]...)
	err := dispatch(t.Context(), args, &out, &out)
	return out.String(), err
}

// 'latchd unlock' and 'latchd lock' move the lock without a network, in the name of the
// user who runs them.
func TestLockAndUnlockOnSite(t *testing.T) {
	t.Parallel()
	g := mockGateway(t, `min_interval = "0s"`)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}

	out, err := g.latchd(t, "unlock", "--for", "30s", "--reason", "parcel")
	if err != nil || out != "unlocked, confirmed by the sensor\n" {
		t.Errorf("unlock: %q, %v", out, err)
	}
	if text := g.out.String(); !strings.Contains(text, `"by": "`+me.Username+`"`) || !strings.Contains(text, "parcel") {
		t.Errorf("the log does not say who unlocked the door, and why:\n%s", text)
	}
	if out, err = g.latchd(t, "mock", "open"); err != nil {
		t.Errorf("mock open: %q, %v", out, err)
	}
	g.await(t, "the door is open", func(status map[string]any) bool { return textAt(status, "door", "open") == "true" })
	if out, err = g.latchd(t, "lock"); err != nil || !strings.Contains(out, "unlocked; the door is open and locks when it is closed") {
		t.Errorf("lock with an open door: %q, %v", out, err)
	}
	if _, err = g.latchd(t, "mock", "close"); err != nil {
		t.Error(err)
	}
	g.await(t, "the pending lock is kept", func(status map[string]any) bool { return textAt(status, "lock", "position") == "locked" })
}

// 'latchd mock' operates the simulated door, which obeys its bolt.
func TestMockCommand(t *testing.T) {
	t.Parallel()
	g := mockGateway(t, "")

	if _, err := g.latchd(t, "mock", "open"); err == nil || err.Error() != "mock open: 409 not-possible: the door is locked; unlock it first, or pry it open" {
		t.Errorf("open a locked door: %v", err)
	}
	if _, err := g.latchd(t, "mock", "exit"); err != nil {
		t.Error(err)
	}
	g.await(t, "the exit button unlocks", func(status map[string]any) bool { return textAt(status, "lock", "position") == "unlocked" })
	g.await(t, "the door locks behind the person", func(status map[string]any) bool { return textAt(status, "lock", "position") == "locked" })

	time.Sleep(6 * time.Second) // until exit_time has passed
	if _, err := g.latchd(t, "mock", "pry"); err != nil {
		t.Error(err)
	}
	g.await(t, "the door is forced", func(status map[string]any) bool {
		return strings.Contains(textAt(status, "lock", "fault"), "forced") || strings.Contains(textAt(status, "lock", "fault"), "opened")
	})

	for _, tc := range []struct{ args, want string }{
		{"mock", "ACTION is missing; see 'latchd mock --help'"},
		{"mock kick", `mock kick: 400 bad-payload: unknown action "kick"; want open, close, exit or pry`},
		{"mock open close", `unexpected argument "close"`},
	} {
		if _, err := g.latchd(t, strings.Fields(tc.args)...); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("latchd %s: %v, want %s", tc.args, err, tc.want)
		}
	}
}

// The agent, and not the client, says who asks.
func TestSignPayload(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		``:                          `{"by":"ann"}`,
		`null`:                      `{"by":"ann"}`,
		`{}`:                        `{"by":"ann"}`,
		`{"by":"bob","reason":"r"}`: `{"by":"ann","reason":"r"}`,
		`7`:                         `7`,
	} {
		if got := string(signPayload(json.RawMessage(payload), "ann")); got != want {
			t.Errorf("%s becomes %s, want %s", payload, got, want)
		}
	}
	if got := userName(0); got != "root" {
		t.Errorf("user 0 is called %q", got)
	}
	if got := userName(4000000001); got != "user 4000000001" {
		t.Errorf("an unknown user is called %q", got)
	}
}

// The control socket is in the runtime directory if the unit has one, for root and the
// operators only.
func TestControlSocketInRuntimeDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	path := controlPath("/state")
	if path != filepath.Join(dir, "control.sock") {
		t.Fatalf("the socket is at %s", path)
	}
	listener, err := listenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the socket's mode is %v (%v), want nothing for others", info.Mode(), err)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	if got := controlPath("/state"); got != "/state/latchd.sock" {
		t.Errorf("without a runtime directory the socket is at %s", got)
	}
	if got := controlPath(""); got != "" {
		t.Errorf("without any directory the socket is at %s", got)
	}
}

// Each door has its own configuration, state and runtime directories.
func TestDoors(t *testing.T) {
	t.Parallel()
	c := command{name: "status"}
	o, err := c.parse([]string{"--door", "side-2"}, nil)
	if err != nil || o.config != "/etc/latchd/side-2.toml" || runtimeDir(o.config) != "/run/latchd@side-2" {
		t.Errorf("--door side-2: %+v, %v", o, err)
	}
	if o, err = c.parse(nil, nil); err != nil || o.config != "/etc/latchd/latchd.toml" || runtimeDir(o.config) != "/run/latchd" {
		t.Errorf("without --door: %+v, %v", o, err)
	}

	for _, args := range [][]string{
		{"--door", "latchd"}, {"--door", "clock"}, {"--door", "../x"}, {"--door", "a.b"}, {"--door", "-x"}, {"--door", "Side"},
		{"--door", "side", "--config", "x.toml"},
	} {
		if o, err := c.parse(args, nil); err == nil {
			t.Errorf("%q is accepted: %+v", args, o)
		}
	}
}

// 'latchd grant' copies the secrets that the configuration names, and no other
// file. Nothing in the credentials folder can make it wait.
func TestGrant(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", runtime)
	text := strings.Replace(testConfig, "[hub]", "[hub]\ncertificate_file = \"credentials/cert.pem\"\ncertificate_key_file = \"credentials/pipe\"\nproxy_file = \"other/proxy\"", 1)
	g := newGateway(t, map[string]string{
		"latchd.toml":                   strings.Replace(text, "ENDPOINT", "localhost", 1),
		"credentials/connection-string": goodSecret,
		"credentials/stray":             "x",
		"credentials/cert.pem/stray":    "a directory",
		"other/proxy":                   "socks5://proxy",
	})
	if err := unix.Mkfifo(filepath.Join(g.dir, "credentials/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, secret := range []string{goodSecret, "changed"} {
		g.write(t, "credentials/connection-string", secret)
		c, _, err := config.LoadLock(g.file)
		if err != nil {
			t.Fatal(err)
		}
		secrets, err := readSecrets(c) // grant itself changes the process's user
		if err := replaceCopies(systemd.CopiedCredentials(), secrets); err != nil {
			t.Fatal(err)
		}
		if err == nil || !strings.Contains(err.Error(), "cert.pem is not a file") || !strings.Contains(err.Error(), "pipe is not a file") {
			t.Errorf("err = %v", err)
		}

		copies := map[string]string{}
		entries, err := os.ReadDir(filepath.Join(runtime, "credentials"))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			text, err := os.ReadFile(filepath.Join(runtime, "credentials", entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			copies[entry.Name()] = string(text)
			if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o400 {
				t.Errorf("the mode of %s: %v, %v", entry.Name(), info.Mode(), err)
			}
		}
		if len(copies) != 2 || copies["credentials_connection-string"] != secret || copies["other_proxy"] != "socks5://proxy" {
			t.Errorf("the copies are %q", copies)
		}
		if entries, err = os.ReadDir(runtime); err != nil || len(entries) != 1 {
			t.Errorf("other files stay in the runtime directory: %v, %v", entries, err)
		}
	}
}

// 'latchd grant' reads the secrets and permits the reboot as root, and writes into the
// agent's directory as the agent's user. A broken configuration withdraws the permission.
func TestGrantGivesUpRoot(t *testing.T) {
	if file := os.Getenv("LATCHD_TEST_GRANT"); file != "" {
		fmt.Printf("granted: %v\n", grant(file))
		os.Exit(0) // skips testscript's cleanup, which cannot remove root's directory
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}

	runtime := t.TempDir()
	g := newGateway(t, map[string]string{
		"latchd.toml":                   "allow_reboot = true\n" + strings.Replace(testConfig, "ENDPOINT", "localhost", 1),
		"credentials/connection-string": goodSecret,
	})
	if err := errors.Join(os.Chmod(g.file, 0o600), os.Chown(runtime, 65534, 65534), os.Chmod(filepath.Dir(runtime), 0o755)); err != nil {
		t.Fatal(err)
	}
	run := func(want string) {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run=^TestGrantGivesUpRoot$")
		cmd.Env = append(os.Environ(), "LATCHD_TEST_GRANT="+g.file, "RUNTIME_DIRECTORY="+runtime)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "granted: "+want) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	run("<nil>")

	info, err := os.Stat(filepath.Join(runtime, "credentials", "credentials_connection-string"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner == 0 {
		t.Error("the copy belongs to root")
	}

	permission := filepath.Join(filepath.Dir(runtime), rebootDir, "latchd.toml")
	if info, err = os.Stat(permission); err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 {
		t.Errorf("the permission to reboot belongs to user %d, want root", owner)
	}
	g.write(t, "latchd.toml", "[lock]\ndriver = \"none\"\n")
	run("")
	if _, err := os.Stat(permission); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the permission to reboot outlives a broken configuration: %v", err)
	}
}
