package agent

import (
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System describes the machine, as the agent reports it.
type System struct {
	OS       string
	Kernel   string
	Arch     string
	Model    string
	BootedAt time.Time
}

// ReadSystem describes the machine that this process runs on. A field that cannot be
// read stays empty.
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

// osName returns PRETTY_NAME from an os-release file, or "linux" if there is none.
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

// object returns the reported property system, without lastReboot.
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
