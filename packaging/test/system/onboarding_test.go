package system

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
)

// laptop is the home folder of a technician. Commands run in it without any of latchctl's
// environment variables.
type laptop struct{ home string }

func newLaptop(t *testing.T) laptop { return laptop{t.TempDir()} }

// run runs a command in the home folder with text on standard input.
func (l laptop) run(t *testing.T, stdin, program string, args ...string) harness.Result {
	t.Helper()
	cmd := exec.Command(bin.Path(program), args...)
	cmd.Env = []string{"HOME=" + l.home, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(stdin)
	return harness.Run(t, cmd)
}

// ctl starts nothing but latchctl, without any flag for the hub.
func (l laptop) ctl(t *testing.T, args ...string) harness.Result {
	t.Helper()
	return l.run(t, "", "latchctl", args...)
}

func (l laptop) secret(name string) string {
	return filepath.Join(l.home, ".config", "latchctl", name+".connection-string")
}

func invitePerson(t *testing.T, h *harness.Hub, args ...string) string {
	t.Helper()
	return h.Run(t, append([]string{"invite", "person"}, args...)...).Want(t, 0).Stdout
}

// A person needs one command and no environment variable. The role decides what the person
// may do, and a revocation ends it at once, also for open streams.
func TestPerson(t *testing.T) {
	t.Parallel()

	hub := harness.StartHub(t, bin)
	harness.StartDoor(t, hub, "front", "")
	anna, vera, thief := newLaptop(t), newLaptop(t), newLaptop(t)
	code := invitePerson(t, hub, "anna")
	added := anna.run(t, code, "latchctl", "hub", "add").Want(t, 0)
	wants(t, added.Stderr, "added the hub localhost with the login anna; it is the default hub")
	vera.run(t, invitePerson(t, hub, "vera", "--role", "viewer"), "latchctl", "hub", "add", "site").Want(t, 0)
	if info, err := os.Stat(anna.secret("localhost")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the login: %v, %v", info, err)
	}

	stolen := thief.run(t, code, "latchctl", "hub", "add").Want(t, 1)
	wants(t, stolen.Stderr, "the hub does not accept the code", "somebody else has your access")
	if _, err := os.Stat(filepath.Join(thief.home, ".config")); err == nil {
		t.Error("the thief has files")
	}

	anna.ctl(t, "lock", "front").Want(t, 0)
	wants(t, vera.ctl(t, "doors").Want(t, 0).Stdout, "front")
	wants(t, vera.ctl(t, "unlock", "front").Want(t, 1).Stderr, "does not have the right ServiceConnect")
	anna.ctl(t, "device", "connection-string", "front").Want(t, 1)

	events := exec.Command(bin.Path("latchctl"), "events", "-o", "jsonl")
	events.Env = []string{"HOME=" + anna.home}
	stream := harness.Start(t, "latchctl events", events)
	harness.Await(t, "an event in anna's stream", func() error {
		hub.Invoke(t, "front", "lockDoor", nil)
		if !strings.Contains(stream.Output(), `"front"`) {
			return fmt.Errorf("the stream is %s", stream.Output())
		}
		return nil
	})
	hub.Run(t, "policy", "revoke", "anna").Want(t, 0)
	wants(t, anna.ctl(t, "unlock", "front").Want(t, 1).Stderr, "Unauthorized")
	if code := stream.Wait(t); code == 0 {
		t.Errorf("latchctl events ended with %d", code)
	}
	vera.ctl(t, "doors").Want(t, 0)
}

// freePort returns a port of the loopback address that nobody uses.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// The example of 'latchhub --help' works as it is printed, apart from the directories and
// ports that a test must choose.
func TestHelpExampleOfTheHub(t *testing.T) {
	t.Parallel()

	_, help, ok := strings.Cut(harness.Run(t, exec.Command(bin.Path("latchhub"), "--help")).Want(t, 0).Stdout, "Examples:\n")
	example, _, _ := strings.Cut(help, "\n\n")
	lines := strings.Split(strings.TrimSpace(example), "\n")
	if !ok || len(lines) < 3 {
		t.Fatalf("the example is\n%s", example)
	}

	dir, home := t.TempDir(), t.TempDir()
	mqtt, https := freePort(t), freePort(t)
	data := filepath.Join(dir, "hub")
	g := gateway{dir}
	g.write(t, "latchd.toml", g.stateDir())
	adapt := strings.NewReplacer(
		"latchhub serve --data /var/lib/latchhub", "latchhub serve --data "+data+" --mqtt 127.0.0.1:"+mqtt+" --https 127.0.0.1:"+https,
		"latchhub invite", "latchhub invite --data "+data+" --https localhost:"+https,
		"latchd enroll", "latchd enroll --config "+g.path("latchd.toml"),
	)
	shell := func(line string) *exec.Cmd {
		cmd := exec.Command("sh", "-ec", adapt.Replace(strings.TrimSpace(line)))
		cmd.Env = []string{"HOME=" + home, "PATH=" + string(bin) + ":" + os.Getenv("PATH")}
		return cmd
	}

	harness.Start(t, "latchhub", shell("exec "+strings.TrimSpace(lines[0]))).Expect(t, "latchhub ready ")
	for _, line := range lines[1:] {
		if strings.Contains(line, "latchctl lock") { // the systemd unit of the package runs the agent
			harness.Start(t, "latchd", exec.Command(bin.Path("latchd"), "run", "--config", g.path("latchd.toml"))).
				ExpectFunc(t, "connected", func(line string) (string, bool) { return line, strings.Contains(line, "connected to the hub") })
		}
		harness.Run(t, shell(line)).Want(t, 0)
	}
}

// TestThreeCommands takes a computer without any file to a locked door with its own hub in
// three commands, and logs the time: start a hub, enroll a door, and lock it. The scenario
// TestThreeCommandsOnDebian of the package e2e does the same on a bare Debian with the
// packages and with systemd, which starts the agent.
func TestThreeCommands(t *testing.T) {
	t.Parallel()

	g := newGateway(t)
	g.write(t, "latchd.toml", g.stateDir())
	begin := time.Now()

	hub := harness.StartHub(t, bin)                           // 1. systemctl enable --now latchhub
	g.enroll(t, invite(t, hub, "front"), "--mock").Want(t, 0) // 2. latchhub invite door front | latchd enroll --mock
	harness.Start(t, "latchd", exec.Command(bin.Path("latchd"), "run", "--config", g.path("latchd.toml")))
	hub.Invoke(t, "front", "ping", nil)
	locked := hub.Ctl(t, "lock", "front").Want(t, 0) // 3. latchctl lock front
	wants(t, locked.Stdout, "front locked")
	t.Logf("a locked door after %s", time.Since(begin).Round(time.Millisecond))
}
