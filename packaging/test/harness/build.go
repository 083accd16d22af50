package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Binaries is a folder with the project's programs, built as they are shipped:
// without cgo.
type Binaries string

// Path returns the file of the program of that name.
func (b Binaries) Path(name string) string { return filepath.Join(string(b), name) }

// Main runs a package's tests with the programs built once, before the first
// test, into a folder that is removed afterwards. LATCHD_BIN names a folder of
// programs that are built already, which are then used as they are.
//
//	var bin harness.Binaries
//
//	func TestMain(m *testing.M) { harness.Main(m, &bin) }
func Main(m *testing.M, bin *Binaries) { os.Exit(run(m, bin)) }

func run(m *testing.M, bin *Binaries) int {
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

// Build builds all programs into dir.
func Build(dir string) error {
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "github.com/latchd/latchd/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}
