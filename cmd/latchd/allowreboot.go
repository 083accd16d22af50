package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// rebootDir is the directory with one file for each running agent that may reboot the
// machine. It is beside the agent's runtime directory, in /run. The polkit rule
// latchd.rules reads it. Only root may write there: a file of the agent's user would let
// the agent permit itself the reboot.
const rebootDir = "latchd-reboot"

// permitReboot lets the agent with the given configuration file reboot the machine, or
// withdraws the permission. runtimeDir is the agent's runtime directory. permitReboot must
// run as root.
func permitReboot(runtimeDir, configFile string, allowed bool) error {
	dir := filepath.Join(filepath.Dir(runtimeDir), rebootDir)
	permission := filepath.Join(dir, filepath.Base(configFile))

	err := removePermission(permission)
	if allowed {
		err = writePermission(permission)
	}
	if err != nil {
		return fmt.Errorf("set whether the agent may reboot the machine: %w", err)
	}
	return nil
}

func removePermission(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writePermission creates an empty file. polkit's user can list the file's directory in
// spite of the unit's umask.
func writePermission(file string) error {
	dir := filepath.Dir(file)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, nil, 0o600)
}
