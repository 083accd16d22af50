package actuator

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells a lock the time. The wall clock's time is shown to people. The time since
// boot is used for deadlines, because it includes time in suspend and cannot be set.
type Clock struct {
	Now    func() time.Time
	Uptime func() time.Duration
	BootID string
}

// SystemClock returns the kernel's clock.
func SystemClock() (Clock, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Clock{}, fmt.Errorf("read the kernel's boot id: %w", err)
	}
	return Clock{Now: time.Now, Uptime: uptime, BootID: strings.TrimSpace(string(id))}, nil
}

func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("the kernel has no boot-time clock: " + err.Error()) // Linux has had this clock since 2.6.39
	}
	return time.Duration(ts.Nano())
}
