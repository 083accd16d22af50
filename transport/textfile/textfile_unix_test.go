//go:build unix

package textfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestReadSpecialFiles(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), []byte("12345"), 0o600),
		os.Symlink("file", in("link")), syscall.Mkfifo(in("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{"link": "12345", "pipe": ""} {
		if got, err := Read(in(name), 8); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
}

// A shell passes the output of a command as the path of a pipe.
func TestReadPipe(t *testing.T) {
	t.Parallel()

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		w.WriteString("te")
		w.WriteString("xt")
		w.Close()
	}()

	if got, err := Read(fmt.Sprintf("/dev/fd/%d", r.Fd()), 10); err != nil || got != "text" {
		t.Errorf("got %q, %v", got, err)
	}
}
