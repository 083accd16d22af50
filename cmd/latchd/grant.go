package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/durable"
)

const (
	// maxSecret is the largest secret that 'latchd grant' copies, in bytes.
	maxSecret = 1 << 20
	// copyTimeout bounds the run of 'latchd grant', so that a file on a dead
	// network drive cannot delay the unit.
	copyTimeout = 10 * time.Second
)

// grant gives the running agent copies of the secrets that its configuration names, lets
// it reboot the machine if the configuration allows that, and gives the operators the
// agent's control socket. systemd runs it as root after the agent has requested its lines,
// and before each reload. It reads the secrets as root, and gives up root's rights before
// it touches the agent's own directory.
//
// systemd's own LoadCredential= is not used, because the unit fails, and the door with
// it, if the source of a credential is missing or not a file.
func grant(file string) error {
	target := systemd.CopiedCredentials()
	if target == "" {
		return errors.New("RUNTIME_DIRECTORY is not set; only systemd runs this command, as latchd.service says")
	}
	defer time.AfterFunc(copyTimeout, func() {
		fmt.Fprintf(os.Stderr, "latchd: the credentials could not be copied within %s\n", copyTimeout)
		os.Exit(1)
	}).Stop()

	// The agent reports what is wrong with the configuration.
	c, _, err := config.LoadLock(file)
	dir := filepath.Dir(target)
	rebootErr := permitReboot(dir, file, err == nil && c.AllowReboot) // must precede becomeAgent
	if err != nil {
		return errors.Join(err, rebootErr)
	}
	secrets, unreadable := readSecrets(c)
	group, hasGroup, groupErr := operatorsGroup()
	var more []int
	if hasGroup {
		more = []int{group}
	}

	if err := becomeAgent(dir, more...); err != nil {
		return errors.Join(rebootErr, unreadable, err)
	}
	if hasGroup {
		groupErr = admit(group, dir)
	}
	if groupErr != nil {
		groupErr = fmt.Errorf("let the group %s use the control socket: %w", operators, groupErr)
	}
	return errors.Join(rebootErr, unreadable, groupErr, replaceCopies(target, secrets))
}

// readSecrets reads the secrets that the configuration names. It returns those that it
// can read, by the names of their copies.
func readSecrets(c config.Config) (map[string][]byte, error) {
	secrets := make(map[string][]byte)
	var failed []error
	for _, path := range c.SecretFiles() {
		text, err := durable.ReadLinked(path, maxSecret)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		secrets[systemd.CredentialName(path)] = text
	}
	return secrets, errors.Join(failed...)
}

// replaceCopies replaces the directory of the copies as a whole, so that the agent never
// finds a part of them.
func replaceCopies(dir string, secrets map[string][]byte) error {
	fresh, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)

	for name, text := range secrets {
		if err := os.WriteFile(filepath.Join(fresh, name), text, 0o400); err != nil {
			return err
		}
	}

	err = os.Rename(fresh, dir)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		// fresh is then the previous directory, and removed.
		err = unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	}
	return err
}
