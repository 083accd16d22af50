package config

import (
	"fmt"
	"strings"
)

// key documents one key of the configuration file. The example configuration and the
// man page latchd.toml(5) are generated from the list of keys.
type key struct {
	name         string // name with its table, such as lock.mode
	example      string // example value, in TOML
	commentedOut bool   // whether the example shows the key as a comment, because it is a default or an alternative
	doc          string
}

// keys documents every key, in the order of the example.
var keys = []key{
	{"state_dir", `"/var/lib/latchd"`, true, "Directory for the agent's state: accepted settings, the lock's last position, unsent events. For the file\n" +
		"/etc/latchd/NAME.toml of a gateway with several doors, the default is /var/lib/latchd/NAME."},
	{"log_level", `"info"`, true, "Lowest level to log: debug, info, warn or error. The desired property logLevel overrides it."},
	{"allow_reboot", `false`, true, "Whether the direct method reboot may restart the machine."},

	{"hub.connection_string_file", `"/etc/latchd/credentials/connection-string"`, false,
		"File with the device's connection string. Make it readable by root only."},
	{"hub.certificate_file", `"/etc/latchd/credentials/cert.pem"`, true,
		"PEM file with the device's certificate and any intermediate certificates. The connection string must then contain x509=true instead of a key."},
	{"hub.certificate_key_file", `"/etc/latchd/credentials/key.pem"`, true, "PEM file with the certificate's private key."},
	{"hub.endpoint", `"10.1.2.3:8883"`, true, "HOST:PORT to connect to, if it differs from the hub's name and the standard port."},
	{"hub.ca_file", `"/etc/latchd/ca.pem"`, true, "PEM file with the CA certificate of the hub, if the system does not trust that CA. latchhub has its own CA."},
	{"hub.websocket", `false`, true, "Connect over WebSocket to port 443. Use it where a firewall blocks port 8883."},
	{"hub.proxy", `"socks5://proxy.example:1080"`, true, "SOCKS proxy. With websocket = true, an HTTP proxy (http://HOST:PORT) works too."},
	{"hub.proxy_file", `"/etc/latchd/credentials/proxy"`, true, "File with the proxy's address. Use it instead of proxy if the address contains a password."},

	{"provisioning.id_scope", `"0ne00000A0A"`, true, "ID scope of the provisioning service that assigns the hub. Use [provisioning] instead of connection_string_file."},
	{"provisioning.registration_id", `"front-door"`, true, "Name of the device at the provisioning service."},
	{"provisioning.key_file", `"/etc/latchd/credentials/key"`, true, "File with the device's key. Give this key, group_key_file or the hub's certificate_file."},
	{"provisioning.group_key_file", `"/etc/latchd/credentials/group-key"`, true, "File with the key of the enrollment group. latchd derives the device's key from it."},
	{"provisioning.endpoint", `"global.azure-devices-provisioning.net"`, true, "HOST:PORT of the provisioning service, if it is not Azure's."},

	{"lock.driver", `"gpio"`, false, "gpio, or mock for a simulated lock without hardware."},
	{"lock.mode", `"hold"`, false, "hold: the level of one line means locked or unlocked. pulse: a line releases a strike while it is energised.\n" +
		"dual: a pulse on one line locks, a pulse on another line unlocks."},
	{"lock.at_power_on", `"locked"`, false, "Mode hold: the position to drive when the machine starts: locked, unlocked or last. It also applies when the\n" +
		"agent starts after a stop and when the chip reappears. A restart of the agent does not drive the line."},
	{"lock.pulse", `"500ms"`, true, "Modes pulse and dual: how long to energise a line."},
	{"lock.max_energised", `"10s"`, true, "Modes pulse and dual: the longest time that an unlock may ask to energise a line.\n" +
		"If the process hangs, the line may stay energised for 3 s longer."},
	{"lock.confirm_timeout", `"4s"`, true, "How long to wait for the bolt sensor to confirm a motion before the lock counts as jammed. At most 4 s."},
	{"lock.min_interval", `"1s"`, true, "Minimum time between two motions."},
	{"lock.auto_relock", `"0s"`, true, "Modes hold and dual: relock this long after an unlock; 0s disables relocking. The desired property\n" +
		"autoRelockSeconds overrides it. In mode pulse the strike locks by itself."},

	{"lock.relock", `"timer"`, true, "timer: relock after the time of an unlock. close: relock as soon as the door has opened and closed, or after\n" +
		"that time if nobody opens it. close needs a door sensor."},
	{"lock.settle", `"1s"`, true, "How long the door must have been closed before a promised lock, 0s to 10s."},
	{"lock.exit_time", `"5s"`, true, "How long after an unlock or an exit an opening of the door raises no alarm, 1s to 60s."},
	{"lock.held_open", `"0s"`, true, "How long the door may stay open before the event heldOpen; 0s disables it. Needs a door sensor. The\n" +
		"desired property heldOpenSeconds overrides it."},
	{"lock.manual", `false`, true, "Whether a handle, a thumb-turn or a key opens the locked door. If true, latchd cannot tell a forced door\n" +
		"from a door that somebody opened by hand, and raises no alarm for it."},
	{"lock.egress", `"mechanical"`, true, "Set this if people can always leave without latchd, for example with a handle on the inside. The desired\n" +
		"property lockdown is refused without it, unless [lock.exit] unlocks the door."},

	{"lock.gpio.chip", `"pinctrl-bcm2711"`, false, "GPIO chip: its label, its name (gpiochip0) or its path; see gpiodetect. Prefer the label: names can change between kernels."},
	{"lock.gpio.line", `17`, false, "GPIO line: its offset, or its name in quotes; see gpioinfo. In mode dual, the line whose pulse locks."},
	{"lock.gpio.unlock_line", `18`, true, "Mode dual: the line whose pulse unlocks."},
	{"lock.gpio.active", `"locked"`, false, "Mode hold: what the active level means, locked or unlocked."},
	{"lock.gpio.active_low", `false`, true, "Whether the low level is the active one."},
	{"lock.gpio.bias", `"as-is"`, true, "as-is, disabled, pull-up or pull-down. Not every chip supports a bias."},
	{"lock.gpio.drive", `"push-pull"`, true, "push-pull, open-drain or open-source."},

	{"lock.bolt_sensor.chip", `"pinctrl-bcm2711"`, true, "GPIO chip of the sensor that detects the bolt's position; the default is the lock's chip. Without this sensor the position is assumed."},
	{"lock.bolt_sensor.line", `27`, true, "GPIO line of the sensor: its offset, or its name in quotes."},
	{"lock.bolt_sensor.active", `"locked"`, true, "What the sensor's active level means, locked or unlocked."},
	{"lock.bolt_sensor.active_low", `true`, true, ""},
	{"lock.bolt_sensor.bias", `"pull-up"`, true, ""},
	{"lock.bolt_sensor.debounce", `"10ms"`, true, "How long a level must be stable before it counts."},

	{"lock.door_sensor.chip", `"pinctrl-bcm2711"`, true, "GPIO chip of the sensor that detects an open door; the default is the lock's chip. With this sensor, latchd refuses to lock an open door."},
	{"lock.door_sensor.line", `22`, true, ""},
	{"lock.door_sensor.active", `"open"`, true, "What the sensor's active level means, open or closed."},
	{"lock.door_sensor.active_low", `false`, true, ""},
	{"lock.door_sensor.bias", `"pull-up"`, true, ""},
	{"lock.door_sensor.debounce", `"10ms"`, true, ""},

	{"lock.exit.action", `"unlock"`, true, "What an exit button, bar or motion sensor on the inside does. unlock: it unlocks the door, even in lockdown and\n" +
		"without a network; min_interval must be at most 1s. shunt: it only announces that somebody opens the door."},
	{"lock.exit.chip", `"pinctrl-bcm2711"`, true, "GPIO chip of the exit input; the default is the lock's chip."},
	{"lock.exit.line", `23`, true, "GPIO line of the exit input: its offset, or its name in quotes. Its active level means that somebody leaves."},
	{"lock.exit.active_low", `true`, true, ""},
	{"lock.exit.bias", `"pull-up"`, true, ""},
	{"lock.exit.debounce", `"10ms"`, true, ""},

	{"lock.mock.travel", `"50ms"`, true, "Driver mock: how long the simulated bolt takes to move."},
	{"lock.mock.fault", `"none"`, true, "Driver mock: the fault to simulate: none, jam, slow, dead-sensor or busy."},

	{"place.building", `"43"`, true, "Building that the door is in. Desired properties override building, floor and room."},
	{"place.floor", `3`, true, "Floor that the door is on."},
	{"place.room", `"3.14"`, true, "Room that the door belongs to."},
}

// Example returns a configuration that documents every key. It describes a lock in hold
// mode. All optional keys are commented out.
func Example() string {
	var b strings.Builder
	b.WriteString("# Configuration of latchd, the agent of a door lock. Run 'latchd check' to find errors in\n" +
		"# it. 'systemctl reload latchd' applies changes that do not affect the lock or the\n" +
		"# connection. A key after a # without a space is a default or an alternative.\n")
	lastTable := ""

	for _, k := range keys {
		table, name := splitKey(k.name)
		if table != lastTable {
			lastTable = table
			fmt.Fprintf(&b, "\n%s[%s]\n", tableComment(table), table)
		} else if k.doc != "" {
			b.WriteByte('\n')
		}

		for line := range strings.Lines(k.doc) {
			fmt.Fprintf(&b, "# %s", line)
		}
		if k.doc != "" {
			b.WriteByte('\n')
		}

		comment := ""
		if k.commentedOut {
			comment = "#"
		}
		fmt.Fprintf(&b, "%s%s = %s\n", comment, name, k.example)
	}
	return b.String()
}

// splitKey splits a dotted key, such as lock.mode, into its table and its name.
func splitKey(dotted string) (table, name string) {
	if dot := strings.LastIndexByte(dotted, '.'); dot >= 0 {
		return dotted[:dot], dotted[dot+1:]
	}
	return "", dotted
}

// tableComment returns the prefix of a table's heading in the example. It is "#" if the
// example comments out every key of the table.
func tableComment(table string) string {
	for _, k := range keys {
		if in, _ := splitKey(k.name); in == table && !k.commentedOut {
			return ""
		}
	}
	return "#"
}
