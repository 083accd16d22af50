package systemd

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// Reboot has logind restart the machine in an orderly way. The caller needs the
// right org.freedesktop.login1.reboot, and, where somebody is logged in,
// org.freedesktop.login1.reboot-multiple-sessions; nobody is asked for a password.
// Source: org.freedesktop.login1(5).
func Reboot(ctx context.Context) error {
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("reboot: connect to the system bus: %w", err)
	}
	defer bus.Close()
	const interactive = false
	call := bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").
		CallWithContext(ctx, "org.freedesktop.login1.Manager.Reboot", 0, interactive)
	if call.Err != nil {
		return fmt.Errorf("reboot: logind refused: %w", call.Err)
	}
	return nil
}
