package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// Result is the output and the exit code of a command that has ended.
type Result struct {
	Command        string
	Stdout, Stderr string
	Code           int
}

// Run runs the command cmd and waits until it ends. Run accepts any exit code.
func Run(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})()

	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("run %s: %v", cmd, err)
	} else if ok && exit.ExitCode() < 0 {
		t.Fatalf("run %s: %v\n%s", cmd, err, stderr.String())
	}
	return Result{strings.Join(cmd.Args, " "), stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Want fails the test unless the command's exit code is code.
func (r Result) Want(t testing.TB, code int) Result {
	t.Helper()
	if r.Code != code {
		t.Fatalf("%s\nexit code %d, want %d\nstandard output:\n%s\nstandard error:\n%s", r.Command, r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// JSON decodes the command's standard output into v.
func (r Result) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Stdout), v); err != nil {
		t.Fatalf("%s\ncannot decode the standard output: %v\n%s", r.Command, err, r.Stdout)
	}
}
