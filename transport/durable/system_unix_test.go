//go:build unix

package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestLockDir(t *testing.T) {
	t.Parallel()
	checkLock(t, LockDir)
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), []byte("12345"), 0o600),
		os.WriteFile(in("huge"), nil, 0o600), os.Truncate(in("huge"), 1<<40), os.Symlink("file", in("link")),
		syscall.Mkfifo(in("pipe"), 0o600), os.Mkdir(in("directory"), 0o700)); err != nil {
		t.Fatal(err)
	}

	if got, err := Read(in("file")); err != nil || string(got) != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, want := range map[string]error{
		"none":      os.ErrNotExist,
		"link":      syscall.ELOOP,
		"pipe":      errors.New(in("pipe") + " is not a file"),
		"directory": errors.New(in("directory") + " is not a file"),
		"huge":      errors.New(in("huge") + " is larger than 16777216 bytes"),
	} {
		if _, err := Read(in(name)); err == nil || !errors.Is(err, want) && err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// A command that root runs must leave no file that the owner of the directory cannot read.
func TestRootGivesFilesToTheOwnerOfTheDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can change owners")
	}

	const uid, gid = 12345, 23456
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Chown(dir, uid, gid), os.WriteFile(in("old"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}

	unlock, err := LockFile(in("lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Replace(in("old"), nil, 0o600), Replace(in("new"), nil, 0o640), unlock()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", "old", "new"} {
		info, err := os.Stat(in(name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != uid || owner.Gid != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", name, owner.Uid, owner.Gid, uid, gid)
		}
	}

	// The owner of the directory must not get files of others.
	other := filepath.Join(t.TempDir(), "shadow")
	if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Link(other, in("hard")), os.Symlink(other, in("soft"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hard", "soft"} {
		if unlock, err := LockFile(in(name)); err == nil {
			t.Errorf("%s was locked", name)
			unlock()
		}
		if GiveToOwner(in(name)) == nil {
			t.Errorf("%s was given away", name)
		}
	}
	if info, _ := os.Stat(other); info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Error("a file of root now belongs to the owner of the directory")
	}
}
