package agent

import (
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System is what is reported of the machine.
type System struct {
	OS       string
	Kernel   string
	Arch     string
	Model    string
	BootedAt time.Time
}

// ReadSystem asks the machine. What it does not tell stays empty.
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

func (s System) object() map[string]any {
	o := map[string]any{"os": s.OS, "kernel": s.Kernel, "arch": s.Arch, "bootedAt": timeText(s.BootedAt)}
	if s.Model != "" {
		o["model"] = s.Model
	}
	return o
}
