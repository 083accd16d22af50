package harness

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// Binaries is a directory with the project's programs. The programs are built without
// cgo, like a release.
type Binaries string

// Path returns the path of the program with the given name.
func (b Binaries) Path(name string) string { return filepath.Join(string(b), name) }

// Main builds the project's programs into a temporary directory, runs the tests of a
// package and exits. If the environment variable LATCHD_BIN names a directory with
// programs, Main uses these programs and builds none.
//
//	var bin harness.Binaries
//
//	func TestMain(m *testing.M) { harness.Main(m, &bin) }
func Main(m *testing.M, bin *Binaries) { os.Exit(run(m, bin)) }

func run(m *testing.M, bin *Binaries) int {
	restoreHangup()

	if dir := os.Getenv("LATCHD_BIN"); dir != "" {
		*bin = Binaries(dir)
		return m.Run()
	}

	dir, err := os.MkdirTemp("", "latchd-bin-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*bin = Binaries(dir)
	return m.Run()
}

// restoreHangup makes the programs that the tests start receive SIGHUP, even if the tests
// run under nohup. nohup ignores SIGHUP. A child process inherits an ignored signal as
// ignored, but a handled one with its default action.
func restoreHangup() {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
}

// Build builds all programs of the project into the directory dir.
func Build(dir string) error {
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "github.com/latchd/latchd/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}
