package store

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// fullDisk is the environment variable that tells the test binary to run inFullDisk.
const fullDisk = "LATCHD_TEST_FULL_DISK"

// After a crash, the hub must start even if its disk is full, and must not show devices as
// connected that are not. The test runs itself in a namespace of its own, because it mounts
// a small file system.
func TestOpenOnAFullDisk(t *testing.T) {
	if dir := os.Getenv(fullDisk); dir != "" {
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16m"); err != nil {
			t.Skip("cannot mount a file system:", err)
		}
		testFullDisk(t, dir)
		return
	}

	cmd := exec.Command(os.Args[0], "-test.run=^TestOpenOnAFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("cannot make a namespace:", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func testFullDisk(t *testing.T, dir string) {
	path := filepath.Join(dir, "hub.db")
	crashed := mustOpen(t, path)
	defer crashed.Close()
	var devices []string
	for i := range 300 {
		devices = append(devices, fmt.Sprint("d", i))
	}
	createDevices(t, crashed, devices...)
	for _, id := range devices {
		crashed.SetConnection(id, true, "", time.Now())
	}

	// Copy the files of the running store, as a crash leaves them, and fill the disk.
	copied := filepath.Join(dir, "copy.db")
	if err := crashed.Update(t.Context(), func(*sql.Tx) error { return nil }); err != nil { // wait for the writes above
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shm, err := os.Create(copied + "-shm")
	if err != nil {
		t.Fatal(err)
	}
	shm.Write(make([]byte, 32<<10))
	fill := filepath.Join(dir, "fill")
	f, err := os.Create(fill)
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}

	s := mustOpen(t, copied)
	defer s.Close()
	if _, err := s.CreateDevice(t.Context(), iothub.DeviceIdentity{DeviceID: "new"}); !isFull(err) {
		t.Errorf("a new device on a full disk: %v, want a full disk", err)
	}

	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	f.Close()
	release := blockWriter(s) // so that both connections share a transaction
	s.SetConnection("d7", true, "", time.Now())
	s.SetConnection("d8", true, "", time.Now())
	release()
	createDevices(t, s, "new")
	if n, err := s.Statistics(t.Context()); err != nil || n.Connected != 2 {
		t.Errorf("%d devices are shown as connected (%v), want only d7 and d8", n.Connected, err)
	}
}

func mustOpen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
