package agent

import (
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System describes the machine in the agent's reports.
type System struct {
	OS       string
	Kernel   string
	Arch     string
	Model    string
	BootedAt time.Time
}

// ReadSystem returns a description of this machine. It leaves a field empty if it
// cannot read the value.
func ReadSystem(now time.Time, uptime time.Duration) System {
	s := System{
		OS:       osName("/etc/os-release"),
		Arch:     runtime.GOARCH,
		BootedAt: now.Add(-uptime).Truncate(time.Second),
	}

	var u unix.Utsname
	if unix.Uname(&u) == nil {
		s.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if model, err := os.ReadFile("/proc/device-tree/model"); err == nil {
		s.Model = strings.TrimRight(string(model), "\x00\n")
	}
	return s
}

// osName returns the system's name (PRETTY_NAME) from an os-release file, or "linux" if
// the file has no name.
func osName(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return runtime.GOOS
}

// object returns the reported property system without its member lastReboot.
func (s System) object() map[string]any {
	o := map[string]any{
		"os": cutRunes(s.OS, maxReportedText), "kernel": cutRunes(s.Kernel, maxReportedText),
		"arch": s.Arch, "bootedAt": formatTime(s.BootedAt),
	}
	if s.Model != "" {
		o["model"] = cutRunes(s.Model, maxReportedText)
	}
	return o
}
