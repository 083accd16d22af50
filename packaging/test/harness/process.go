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

// Patience bounds every wait. It is far beyond what anything takes, so that a
// busy machine fails no test; a test that runs into it has found a fault.
const Patience = 60 * time.Second

// Process is a running program. Its lines of both outputs are kept.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed when it has ended and its output is read

	mu    sync.Mutex
	lines []string
	next  int           // the first line that Expect has not passed
	more  chan struct{} // closed with each new line, and made anew
}

// Start runs cmd. The process is killed at the end of the test, and what it
// printed is shown if the test has failed.
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
			t.Logf("what %s printed:\n%s", name, p.Output())
		}
	})
	return p
}

// run starts the process and reads its output to the end. Pdeathsig kills the
// process with the thread that started it, so the thread is kept until then.
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

// Expect waits for the next line, after the one that it returned before, that
// starts with prefix, and returns what follows the prefix.
func (p *Process) Expect(t testing.TB, prefix string) string {
	t.Helper()
	return p.ExpectFunc(t, "a line that starts with "+prefix, func(line string) (string, bool) { return strings.CutPrefix(line, prefix) })
}

// ExpectFunc is Expect for lines that match says are the right ones; what tells
// a failed test's reader what was waited for.
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
			t.Fatalf("%s ended without %s", p.Name, what)
		}
		select {
		case <-more:
		case <-p.done:
			ended = true
		case <-ctx.Done():
			t.Fatalf("%s: %s has not come in %s", p.Name, what, Patience)
		}
	}
}

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

// Count returns how many lines so far start with prefix.
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

// Output returns all that the process has printed so far.
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

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// Kill ends the process by SIGKILL, with all that it started, and waits for it.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.done
}

// Stop asks the process to end by SIGTERM, waits for it and returns its exit
// code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(t)
}

// Wait waits for the process to end and returns its exit code; -1 if a signal
// ended it.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Fatalf("%s has not ended in %s", p.Name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}
