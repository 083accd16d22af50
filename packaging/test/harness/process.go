package harness

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is the timeout of every wait in a test. It is so long that a busy machine
// cannot reach it. A test that reaches it has found a bug.
const Patience = 60 * time.Second

// Process is a running program. It stores the lines that the program prints on standard
// output and standard error.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when the process has ended and all its output is read

	mu    sync.Mutex
	lines []string
	next  int           // index of the next line that Expect examines
	more  chan struct{} // closed and replaced when a new line arrives
}

// Start starts the command cmd. At the end of the test, Start's cleanup kills the
// process. If the test has failed, the cleanup also logs the output of the process.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Name: name, cmd: cmd, done: make(chan struct{}), more: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}

	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, p.Output())
		}
	})
	return p
}

// run starts the process, reads its output and waits for its end. With Pdeathsig, the
// kernel kills the process when the thread that started it ends. run therefore locks
// its goroutine to the thread.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}

	stdout, err1 := p.cmd.StdoutPipe()
	stderr, err2 := p.cmd.StderrPipe()
	stdin, err3 := p.cmd.StdinPipe()
	err := errors.Join(err1, err2, err3)
	if err == nil {
		p.stdin = stdin
		err = p.cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}

	var readers sync.WaitGroup
	for _, output := range []io.Reader{stdout, stderr} {
		readers.Go(func() {
			lines := bufio.NewScanner(output)
			lines.Buffer(nil, 16<<20)
			for lines.Scan() {
				p.add(lines.Text())
			}
		})
	}
	readers.Wait()
	p.cmd.Wait()
	close(p.done)
}

func (p *Process) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.more)
	p.more = make(chan struct{})
}

// Expect waits until the process prints a line that starts with prefix. It returns the
// rest of the line. It ignores the lines up to the one that the previous call of
// Expect or ExpectFunc found.
func (p *Process) Expect(t testing.TB, prefix string) string {
	t.Helper()
	return p.ExpectFunc(t, "a line that starts with "+prefix, func(line string) (string, bool) { return strings.CutPrefix(line, prefix) })
}

// ExpectFunc waits until the process prints a line for which match returns true. It
// returns the text that match returns. It ignores the lines up to the one that the
// previous call of Expect or ExpectFunc found. The text what names the line in the
// error message.
func (p *Process) ExpectFunc(t testing.TB, what string, match func(line string) (string, bool)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()

	for ended := false; ; {
		found, text, more := p.search(match)
		if found {
			return text
		}
		if ended {
			t.Fatalf("%s ended and did not print %s", p.Name, what)
		}
		select {
		case <-more:
		case <-p.done:
			ended = true
		case <-ctx.Done():
			t.Fatalf("%s: %s did not appear within %s", p.Name, what, Patience)
		}
	}
}

// search looks for a matching line among the lines that no call has examined yet. If
// there is none, it returns a channel that is closed when the next line arrives.
func (p *Process) search(match func(string) (string, bool)) (found bool, text string, more <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.next < len(p.lines); p.next++ {
		if text, ok := match(p.lines[p.next]); ok {
			p.next++
			return true, text, nil
		}
	}
	return false, "", p.more
}

// Count returns how many lines that start with prefix the process has printed so far.
func (p *Process) Count(prefix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, line := range p.lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// Output returns everything that the process has printed so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Send writes a line to the standard input of the process.
func (p *Process) Send(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("send to %s: %v", p.Name, err)
	}
}

// Pid returns the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// Kill kills the process and its children with SIGKILL. It returns after the process
// has ended.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.done
}

// Stop sends SIGTERM to the process and waits until it ends. It returns the exit code
// of the process.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(t)
}

// Wait waits until the process ends. It returns the exit code of the process, or -1 if
// a signal killed it.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Fatalf("%s did not end within %s", p.Name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}
