package config

import (
	"fmt"
	"strings"
)

// key documents one key of the file. Its text is in the example, and so in the
// file that the package installs.
type key struct {
	name    string // with its tables, dotted
	example string // as TOML
	off     bool   // commented out: the default, or another choice
	doc     string
}

// keys documents every key, in the order of the example.
var keys = []key{
	{"state_dir", `"/var/lib/latchd"`, true, "Where the agent keeps what outlives its process."},
	{"log_level", `"info"`, true, "debug, info, warn or error. The desired property logLevel goes before it."},
	{"allow_reboot", `false`, true, "Whether the method reboot may restart the machine."},

	{"hub.connection_string_file", `"/etc/latchd/credentials/connection-string"`, false,
		"The file that holds the device's connection string. Only root should be able to read it."},
	{"hub.certificate_file", `"/etc/latchd/credentials/cert.pem"`, true,
		"A certificate to log in with, and those that lead to its authority. The connection string then has x509=true in place of a key."},
	{"hub.certificate_key_file", `"/etc/latchd/credentials/key.pem"`, true, "The certificate's key."},
	{"hub.endpoint", `"10.1.2.3:8883"`, true, "HOST:PORT to connect to, where it is not the hub's name and the usual port."},
	{"hub.ca_file", `"/etc/latchd/ca.pem"`, true, "The authority of the hub's certificate, where the system does not know it, as with latchhub."},
	{"hub.websocket", `false`, true, "Connect to port 443 by WebSocket, where 8883 is closed."},
	{"hub.proxy", `"socks5://proxy.example:1080"`, true, "A SOCKS proxy, or with websocket = true an HTTP proxy (http://HOST:PORT)."},
	{"hub.proxy_file", `"/etc/latchd/credentials/proxy"`, true, "A file with the proxy's address, in place of proxy, where there is a password in it."},

	{"provisioning.id_scope", `"0ne00000A0A"`, true, "In place of connection_string_file: the ID scope of the provisioning service that assigns the hub."},
	{"provisioning.registration_id", `"front-door"`, true, "The device's name at the service."},
	{"provisioning.key_file", `"/etc/latchd/credentials/key"`, true, "The device's key. Or:"},
	{"provisioning.group_key_file", `"/etc/latchd/credentials/group-key"`, true, "Its group's key, from which its own is made. Or the hub's certificate_file."},
	{"provisioning.endpoint", `"global.azure-devices-provisioning.net"`, true, "HOST:PORT of the service, where it is not Azure's."},

	{"lock.driver", `"gpio"`, false, "gpio, or mock for a lock without hardware."},
	{"lock.mode", `"hold"`, false, "hold: the line's level means locked or unlocked. pulse: the line releases a strike while it is energised.\n" +
		"dual: a pulse on one line locks, on another unlocks."},
	{"lock.at_power_on", `"locked"`, false, "Of hold: what the line is driven to when the machine starts: locked, unlocked or last. Also when the\n" +
		"agent is started after a stop, and when its chip comes back. A restart of the agent changes nothing."},
	{"lock.pulse", `"500ms"`, true, "Of pulse and dual: how long a line is energised."},
	{"lock.max_energised", `"10s"`, true, "Of pulse and dual: the longest that a line may be energised, whatever an unlock asks for.\n" +
		"A process that hangs may make it 3 s longer."},
	{"lock.confirm_timeout", `"4s"`, true, "How long the bolt sensor may take until the lock counts as jammed; 4 s at most."},
	{"lock.min_interval", `"1s"`, true, "The least time between two motions."},
	{"lock.auto_relock", `"0s"`, true, "Of hold and dual: lock again so long after an unlock; 0s is never. The desired property\n" +
		"autoRelockSeconds goes before it. A strike (pulse) locks by itself."},

	{"lock.gpio.chip", `"pinctrl-bcm2711"`, false, "The chip by its label, its name (gpiochip0) or its path; see gpiodetect. A label stays where chips are numbered anew."},
	{"lock.gpio.line", `17`, false, "The line by its offset, or by its name in quotes; see gpioinfo. Of dual: the one whose pulse locks."},
	{"lock.gpio.unlock_line", `18`, true, "Of dual: the line whose pulse unlocks."},
	{"lock.gpio.active", `"locked"`, false, "Of hold: what the active level means: locked or unlocked."},
	{"lock.gpio.active_low", `false`, true, "Whether the active level is the low one."},
	{"lock.gpio.bias", `"as-is"`, true, "as-is, disabled, pull-up or pull-down, as far as the chip has it."},
	{"lock.gpio.drive", `"push-pull"`, true, "push-pull, open-drain or open-source."},

	{"lock.bolt_sensor.chip", `"pinctrl-bcm2711"`, true, "The sensor that says where the bolt is. Without one the position is assumed. Its chip is the lock's own if it is not given."},
	{"lock.bolt_sensor.line", `27`, true, "Its line."},
	{"lock.bolt_sensor.active", `"locked"`, true, "What its active level means: locked or unlocked."},
	{"lock.bolt_sensor.active_low", `true`, true, ""},
	{"lock.bolt_sensor.bias", `"pull-up"`, true, ""},
	{"lock.bolt_sensor.debounce", `"10ms"`, true, "For how long a level must be stable to count."},

	{"lock.door_sensor.chip", `"pinctrl-bcm2711"`, true, "The sensor that says whether the door is open. An open door is not locked."},
	{"lock.door_sensor.line", `22`, true, ""},
	{"lock.door_sensor.active", `"open"`, true, "What its active level means: open or closed."},
	{"lock.door_sensor.active_low", `false`, true, ""},
	{"lock.door_sensor.bias", `"pull-up"`, true, ""},
	{"lock.door_sensor.debounce", `"10ms"`, true, ""},

	{"lock.mock.travel", `"50ms"`, true, "Of the driver mock: how long its bolt takes."},
	{"lock.mock.fault", `"none"`, true, "Of the driver mock: none, jam, slow, dead-sensor or busy."},

	{"place.building", `"43"`, true, "Where the door is, as long as no desired property says so."},
	{"place.floor", `3`, true, ""},
	{"place.room", `"3.14"`, true, ""},
}

// Example returns a configuration in which every key is documented: that of a lock
// in hold mode, with all that is not needed commented out.
func Example() string {
	var b strings.Builder
	b.WriteString("# The configuration of latchd, the agent of a door lock. 'latchd check' says what is\n" +
		"# wrong with it, and 'systemctl reload latchd' takes what can be changed without\n" +
		"# touching the lock. A line with # and no blank behind it is a default, or a choice.\n")
	table := ""
	for _, k := range keys {
		in, name := "", k.name
		if dot := strings.LastIndexByte(k.name, '.'); dot >= 0 {
			in, name = k.name[:dot], k.name[dot+1:]
		}
		off := ""
		if k.off {
			off = "#"
		}
		if in != table {
			table = in
			fmt.Fprintf(&b, "\n%s[%s]\n", commentedTable(in), in)
		} else if k.doc != "" {
			b.WriteByte('\n')
		}
		for line := range strings.Lines(k.doc) {
			fmt.Fprintf(&b, "# %s", line)
		}
		if k.doc != "" {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s%s = %s\n", off, name, k.example)
	}
	return b.String()
}

// commentedTable is the comment sign of a table that nothing of the example is in.
func commentedTable(table string) string {
	for _, k := range keys {
		if strings.HasPrefix(k.name, table+".") && !k.off && !strings.Contains(k.name[len(table)+1:], ".") {
			return ""
		}
	}
	return "#"
}
