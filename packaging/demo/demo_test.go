package demo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }

// start runs the demo script in its own temporary directory. All processes of the demo
// have the string mark in their environment, so that checkNothingLeft can find them.
func start(t *testing.T) (p *harness.Process, temp, mark string) {
	t.Helper()
	temp = t.TempDir()
	mark = "LATCHD_DEMO_MARK=" + temp
	cmd := exec.Command("./demo.sh")
	cmd.Env = append(os.Environ(), "LATCHD_BIN="+string(bin), "TMPDIR="+temp, mark)
	return harness.Start(t, "the demo", cmd), temp, mark
}

func TestDemo(t *testing.T) {
	p, temp, mark := start(t)
	if code := p.Wait(t); code != 0 {
		t.Errorf("the demo ended with %d, want 0", code)
	}

	out := p.Output()
	for _, want := range []string{
		"\n3 devices: 3 succeeded, 0 failed\n",
		"\n3 devices: 2 succeeded, 1 failed (1 refused)\n",
		"500 jammed",
		"\n$ echo $?\n3\n",
		"\nfront     unlocked  true  false\n",
		"\nfront     locked    false  false\n",
		"\nside      locked    true  true\n",
		"\ncellar    unlocked  true  true\n",
		"\ncellar    locked    false  false\n",
		`"building": "43"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not print %q", want)
		}
	}

	for _, page := range []string{"README.md", "packaging/doc/session.md"} {
		shows(t, page, out)
	}
	checkNothingLeft(t, temp, mark)
}

// numbers matches what differs between two runs of the demo: times, ports, ids and ETags.
var numbers = regexp.MustCompile(`ETag: +\S+|[0-9a-f]*[0-9][0-9a-f.]*`)

// progress matches the lines of a job's progress, which depend on the machine's speed.
var progress = regexp.MustCompile(`^(queued|scheduled|running: )`)

// shows checks that the demo has printed each line of a page's console sessions. A line
// may end in " ...", where the page leaves out the rest.
func shows(t *testing.T, page, output string) {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	normal := func(line string) string {
		return strings.Join(strings.Fields(numbers.ReplaceAllString(line, "N")), " ")
	}
	printed := map[string]bool{}
	for line := range strings.Lines(output) {
		printed[normal(line)] = true
	}

	checked := 0
	for i, part := range strings.Split(string(text), "\n```\n") {
		if i%2 == 0 || !strings.Contains(part, "$ ") {
			continue // this is text between two sessions
		}
		for line := range strings.Lines(part) {
			if line = normal(strings.TrimSuffix(strings.TrimSpace(line), " ...")); progress.MatchString(line) {
				continue
			}
			checked++
			if !printed[line] {
				t.Errorf("%s shows a line that the demo does not print; copy the output of 'make demo' to it:\n%s", page, line)
			}
		}
	}
	if checked < 20 {
		t.Errorf("%s has only %d lines of the demo; does this test still find them?", page, checked)
	}
}

// A signal that arrives after a random line of output must end the demo and leave
// nothing behind. The test sends the signal to all processes of the demo, as a terminal
// does, or to the script only.
func TestInterruptedDemoLeavesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		group  bool
		code   int
	}{
		{"Ctrl-C", syscall.SIGINT, true, 130},
		{"Ctrl-C", syscall.SIGINT, true, 130},
		{"SIGINT to the script", syscall.SIGINT, false, 130},
		{"SIGTERM to the script", syscall.SIGTERM, false, 143},
		{"the terminal is closed", syscall.SIGHUP, true, 129},
	} {
		after := random.IntN(220)
		t.Run(fmt.Sprintf("%s after line %d", test.name, after+1), func(t *testing.T) {
			p, temp, mark := start(t)
			for range after + 1 {
				p.Expect(t, "")
			}

			pid := p.Pid()
			if test.group {
				pid = -pid
			}

			if err := syscall.Kill(pid, test.signal); err != nil {
				t.Fatal(err)
			}

			if code := p.Wait(t); code != test.code {
				t.Errorf("the demo ended with %d, want %d", code, test.code)
			}

			checkNothingLeft(t, temp, mark)
		})
	}
}

// checkNothingLeft checks that no file and no process of the demo is left.
func checkNothingLeft(t *testing.T, temp, mark string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}

	if len(left) > 0 {
		t.Errorf("the demo left %v in the temporary directory", left)
	}

	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}

	for _, file := range environments {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(mark+"\x00")) {
			continue // the process has ended or does not belong to the demo
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		t.Errorf("the demo left a process: %s %q", file, command)
	}
}
