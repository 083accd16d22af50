package system

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// gateway is a directory with the files of a gateway, like /etc/latchd.
type gateway struct{ dir string }

func newGateway(t *testing.T) gateway { return gateway{t.TempDir()} }

func (g gateway) path(name string) string { return filepath.Join(g.dir, name) }

func (g gateway) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(g.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (g gateway) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(g.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files lists the files below the directory, with their modes and contents.
func (g gateway) files(t *testing.T) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(g.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			name, _ := filepath.Rel(g.dir, path)
			fmt.Fprintf(&list, "%s %o %s\n", name, info.Mode().Perm(), g.read(t, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}

// enroll runs 'latchd enroll' with a code on standard input.
func (g gateway) enroll(t *testing.T, code string, args ...string) harness.Result {
	t.Helper()
	return g.enrollDoor(t, "latchd.toml", code, args...)
}

func (g gateway) enrollDoor(t *testing.T, config, code string, args ...string) harness.Result {
	t.Helper()
	cmd := exec.Command(bin.Path("latchd"), append([]string{"enroll", "--config", g.path(config)}, args...)...)
	cmd.Stdin = strings.NewReader(code)
	return harness.Run(t, cmd)
}

// stateDir returns a line for a configuration that keeps the state of the door with it.
func (g gateway) stateDir() string { return fmt.Sprintf("state_dir = %q\n", g.path("state")) }

// invite returns a code for a door.
func invite(t *testing.T, h *harness.Hub, args ...string) string {
	t.Helper()
	return h.Run(t, append([]string{"invite", "door"}, args...)...).Want(t, 0).Stdout
}

// wants fails the test unless the text contains all parts.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// Two commands take a gateway without any file to a door that a technician can lock. The
// code is then useless to a thief.
func TestEnroll(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	code := invite(t, hub, "front", "--tag", "site=north")
	g := newGateway(t)
	g.write(t, "latchd.toml", g.stateDir())
	r := g.enroll(t, code, "--mock").Want(t, 0)
	wants(t, r.Stdout, "Door front, hub localhost:", "ok       hub: logged in at localhost", "latchd run --config")
	wants(t, g.files(t), "ca.pem 644 -----BEGIN CERTIFICATE", "credentials/connection-string 600 HostName=localhost:", "latchd.toml 600 state_dir", "driver = \"mock\"")
	if strings.Contains(r.Stdout+r.Stderr+g.read(t, "latchd.toml"), "SharedAccessKey") {
		t.Error("a key is outside the file for the login")
	}

	agent := harness.Start(t, "latchd of front", exec.Command(bin.Path("latchd"), "run", "--config", g.path("latchd.toml")))
	hub.Invoke(t, "front", "ping", nil)
	hub.Ctl(t, "lock", "--where", "tags.site = 'north'").Want(t, 0)

	thief := newGateway(t)
	stolen := thief.enroll(t, code, "--mock").Want(t, 1)
	wants(t, stolen.Stderr, "does not accept the code", "latchhub invite door front --replace")
	if files := thief.files(t); files != "" {
		t.Errorf("the thief has files:\n%s", files)
	}

	// The gateway is replaced by another one. The old one cannot log in any more.
	hub.Run(t, "invite", "door", "front").Want(t, 1)
	next := newGateway(t)
	next.enroll(t, invite(t, hub, "front", "--replace"), "--mock").Want(t, 0)
	agent.Stop(t)
	old := harness.Run(t, exec.Command(bin.Path("latchd"), "check", "--config", g.path("latchd.toml"))).Want(t, 1)
	wants(t, old.Stdout, "not authorized")
}

// Without --mock, latchd enroll never makes up a lock, and it keeps a lock as it is.
func TestEnrollKeepsTheLock(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	g := newGateway(t)
	r := g.enroll(t, invite(t, hub, "front")).Want(t, 0)
	wants(t, r.Stdout, "Its lock is not configured yet", "the table [lock] of "+g.path("latchd.toml"), "latchd check --config")
	if text := g.read(t, "latchd.toml"); strings.Contains(text, "lock") && strings.Contains(text, "driver") {
		t.Errorf("the configuration has a lock:\n%s", text)
	}

	lock := "\n[lock] # the side door\ndriver = \"gpio\"\nmode = \"pulse\"\n\n[lock.gpio]\nchip = \"none\"\nline = 4\n"
	g.write(t, "side.toml", g.stateDir()+lock)
	code := invite(t, hub, "side")
	refused := g.enrollDoor(t, "side.toml", code, "--mock").Want(t, 1)
	wants(t, refused.Stderr, "leave out --mock")
	r = g.enrollDoor(t, "side.toml", code).Want(t, 1) // there is no such chip
	wants(t, r.Stdout, "ok       hub: logged in", "PROBLEM  lock: driver gpio, mode pulse")
	wants(t, r.Stderr, "the agent was not started")
	wants(t, g.files(t), "side.toml 600 "+g.stateDir()+lock+"\n[hub]\n", "credentials/side/connection-string 600 HostName=")
	if n := strings.Count(g.files(t), "BEGIN CERTIFICATE"); n != 1 {
		t.Errorf("the doors have %d files with the hub's CA, want a common one", n)
	}
}

// latchd enroll replaces the login of another device only if it is told to, and never the
// CA of another door.
func TestEnrollOverwrite(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	g := newGateway(t)
	g.write(t, "credentials/connection-string", "HostName=h.azure-devices.net;DeviceId=d;SharedAccessKey=AAAAAAAAAAAAAAAAAAAAAA==\n")
	g.write(t, "ca.pem", "another CA\n")
	g.write(t, "latchd.toml", g.stateDir()+"[hub]\nconnection_string_file = \"credentials/connection-string\"\n")
	before, code := g.files(t), invite(t, hub, "front")
	wants(t, g.enroll(t, code, "--mock").Want(t, 1).Stderr, "credentials/connection-string exists", "--overwrite")
	if after := g.files(t); after != before {
		t.Errorf("the refused enrollment changed files:\n%s", after)
	}

	g.enroll(t, code, "--mock", "--overwrite").Want(t, 0)
	wants(t, g.files(t), "ca.pem 600 another CA", "\n#connection_string_file = \"credentials/connection-string\"\n", "HostName=localhost:")
}

// A running agent keeps its old login until somebody restarts it. latchd enroll does not log
// in as the new device meanwhile, and says what to do.
func TestEnrollBesideARunningAgent(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	door := harness.StartDoor(t, hub, "old", "")
	g := gateway{filepath.Dir(door.Config)}
	r := g.enroll(t, invite(t, hub, "new"), "--overwrite").Want(t, 0)
	wants(t, r.Stdout, "Restart the running agent")
	hub.Invoke(t, "old", "ping", nil)

	door.Stop(t)
	door.Start(t)
	hub.Invoke(t, "new", "ping", nil)
}

// An enrollment that is interrupted after the registration can be repeated with the same
// code, and so can one whose files cannot be written.
func TestInterruptedEnrollment(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	g := newGateway(t)
	code := invite(t, hub, "front")

	// The kernel kills latchd when it writes the first byte to a file.
	cut := exec.Command("sh", "-c", `ulimit -f 0; exec "$0" enroll --mock --config "$1"`, bin.Path("latchd"), g.path("latchd.toml"))
	cut.Stdin = strings.NewReader(code)
	var out bytes.Buffer
	cut.Stdout, cut.Stderr = &out, &out
	if err := cut.Run(); err == nil {
		t.Fatalf("the enrollment was not interrupted:\n%s", out.String())
	}
	wants(t, hub.Ctl(t, "device", "list").Want(t, 0).Stdout, "front") // it had registered

	// The directory for the login cannot be created.
	obstacle := g.path("credentials")
	if err := errors.Join(os.RemoveAll(obstacle), os.Symlink("/nonexistent", obstacle)); err != nil {
		t.Fatal(err)
	}
	blocked := g.enroll(t, code, "--mock").Want(t, 1)
	wants(t, blocked.Stderr, "create the directory for the login: ", "the code is valid until")
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}

	g.enroll(t, code, "--mock").Want(t, 0)
	if files := g.files(t); strings.Contains(files, ".new ") {
		t.Errorf("temporary files remain:\n%s", files)
	}
}

// A hub without the key of the code's CA gets nothing from the gateway.
func TestEnrollAtTheWrongHub(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	g := newGateway(t)
	code := invite(t, hub, "front")
	hub.Stop(t)
	hub.Data = filepath.Join(t.TempDir(), "other")
	hub.Start(t)

	r := g.enroll(t, code, "--mock").Want(t, 1)
	wants(t, r.Stderr, "provisioning service at localhost:", "certificate")
	if files := g.files(t); files != "" {
		t.Errorf("the gateway has files:\n%s", files)
	}
	if log := hub.Output(); strings.Contains(log, "registration") {
		t.Errorf("the wrong hub got a request:\n%s", log)
	}
}
