//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// reboot shows that the method "reboot" reboots the machine only if the configuration
// allows it. After the next boot, the agent must report the cause. In that boot, the
// GPIO chip is plugged in only after the agent has started.
func reboot(t *testing.T, g *gateway) {
	g.lockInHoldMode(1, true)
	out := g.invoke("reboot", "null")
	record(t, contains(out, "status 403", `"code":"not-allowed"`), "reboot without allow_reboot", 1, status(out), "status 403")

	// logind asks polkit whether the agent's user may reboot the machine.
	const canReboot = `runuser -u latchd -- busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager CanReboot`
	out = g.run(canReboot)
	record(t, !contains(out, `"yes"`), "CanReboot for the user latchd without allow_reboot", 1, strings.TrimSpace(out), "not yes")

	g.configure(settings{top: "allow_reboot = true", mode: "hold", keys: `at_power_on = "locked"`, gpio: `active = "locked"`, sensor: true})
	g.run(`systemctl restart latchd`)
	g.connected()
	out = g.run(canReboot)
	record(t, contains(out, `"yes"`), "CanReboot for the user latchd with allow_reboot", 1, strings.TrimSpace(out), "yes")
	out = g.invoke("reboot", `{"delaySeconds":1}`)
	record(t, contains(out, "status 202", `"delaySeconds":1`), "reboot", 1, status(out), "status 202")
	g.waitBoot()

	g.connected() // the agent must connect even without the chip
	out = g.invoke("lockDoor", "null")
	record(t, contains(out, "status 503"), "reboot: before the chip is plugged in", 1, status(out), "status 503")

	g.plug(true)
	g.bolt(1, 100*time.Millisecond, false)
	reported := g.twin("the reboot", func(r map[string]any) bool {
		system, _ := r["system"].(map[string]any)
		return system["lastReboot"] != nil && reportedLock("position", "locked")(r)
	})
	last, _ := reported["system"].(map[string]any)["lastReboot"].(map[string]any)
	record(t, last["cause"] == "method", "reboot: cause in lastReboot", 1, fmt.Sprint(last["cause"]), "method")
	if got := g.level("LOCK"); got != 1 {
		t.Errorf("at power-on the line is at %d, but at_power_on is locked", got)
	}
}
