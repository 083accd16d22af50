// Package userdir knows where each operating system keeps a user's files. Use [Config]
// for files that a person edits and [State] for files that a program keeps for itself.
//
// Rules:
//   - On every system, an absolute path in XDG_CONFIG_HOME or XDG_STATE_HOME takes
//     precedence.
//   - Otherwise Linux uses ~/.config and ~/.local/state, macOS uses
//     ~/Library/Application Support, and Windows uses the application data folders:
//     roaming for configuration, local for state.
//   - No path is a cache, which the system or a cleaning program may empty.
package userdir

import "path/filepath"

// Config returns the folder for configuration files on the operating system goos, a value
// of runtime.GOOS. It returns "" if the environment does not name the folder.
func Config(goos string, getenv func(string) string) string {
	return folder(goos, getenv, "XDG_CONFIG_HOME", "APPDATA", ".config")
}

// State returns the folder for the state of programs on the operating system goos, a
// value of runtime.GOOS. It returns "" if the environment does not name the folder.
func State(goos string, getenv func(string) string) string {
	return folder(goos, getenv, "XDG_STATE_HOME", "LOCALAPPDATA", filepath.Join(".local", "state"))
}

// Home returns the user's home folder on the operating system goos, a value of
// runtime.GOOS. It returns "" if the environment does not name the folder.
func Home(goos string, getenv func(string) string) string {
	if goos == "windows" {
		return getenv("USERPROFILE")
	}
	return getenv("HOME")
}

// folder returns the folder that the variable xdg names, or else the folder that goos
// expects: the folder in the variable windows, or the folder unix in the home folder.
func folder(goos string, getenv func(string) string, xdg, windows, unix string) string {
	if dir := getenv(xdg); filepath.IsAbs(dir) {
		return dir
	}
	if goos == "windows" {
		return getenv(windows)
	}

	home := Home(goos, getenv)
	switch {
	case home == "":
		return ""
	case goos == "darwin":
		return filepath.Join(home, "Library", "Application Support")
	}
	return filepath.Join(home, unix)
}
