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

// Patience is the timeout of every wait. It is so long that a busy machine does not fail
// a test: a test that reaches it has found a bug.
const Patience = 60 * time.Second

// Process is a running program. It stores the lines of standard output and standard error.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when the process has ended and all output is read

	mu    sync.Mutex
	lines []string
	next  int           // index of the first line that Expect has not examined
	more  chan struct{} // closed and replaced at each new line
}

// Start starts cmd. At the end of the test it kills the process and, if the test has
// failed, logs the output of the process.
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

// run starts the process, reads its output and waits for its end. The kernel kills the
// process (Pdeathsig) when the thread that started it ends, so run locks its thread.
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

// Expect waits for a line that starts with prefix and returns the rest of the line. It
// examines only lines after the one that it found last.
func (p *Process) Expect(t testing.TB, prefix string) string {
	t.Helper()
	return p.ExpectFunc(t, "a line that starts with "+prefix, func(line string) (string, bool) { return strings.CutPrefix(line, prefix) })
}

// ExpectFunc is like Expect, but waits for a line for which match returns true, and returns
// the text that match returns. what names the line in the error message.
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

// search looks for a matching line among the lines that were not examined yet. If there is
// none, it returns a channel that is closed at the next line.
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

// Count returns the number of lines so far that start with prefix.
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

// Output returns the output of the process so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Send writes a line to the process's standard input.
func (p *Process) Send(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("send to %s: %v", p.Name, err)
	}
}

// Pid returns the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// Kill kills the process and its children with SIGKILL and waits for its end.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.done
}

// Stop sends SIGTERM to the process, waits for its end and returns its exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(t)
}

// Wait waits for the end of the process and returns its exit code, or -1 if a signal
// killed it.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Fatalf("%s did not end within %s", p.Name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}
