package systemd

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// Reboot asks logind, systemd's login manager, to reboot the machine. It never asks for
// a password. polkit must therefore grant the caller org.freedesktop.login1.reboot. If
// users may be logged in, polkit must also grant
// org.freedesktop.login1.reboot-multiple-sessions. Source: org.freedesktop.login1(5).
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
