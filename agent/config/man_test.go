package config

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
)

const manPage = "../../packaging/man/latchd.toml.5"

// The man page latchd.toml(5) is generated from the table of keys. Run this test with
// UPDATE_SCRIPTS=1 to write it.
func TestManPage(t *testing.T) {
	want := manual()
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(manPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(manPage); err != nil || string(got) != want {
		t.Errorf("%s is not up to date (%v); run this test with UPDATE_SCRIPTS=1", manPage, err)
	}
}

// manual returns the man page in roff format.
func manual() string {
	var b strings.Builder
	b.WriteString(`.TH LATCHD.TOML 5 "Nov 2026" latchd
.SH NAME
latchd.toml \- configuration of latchd, the agent of a door lock
.SH SYNOPSIS
.I /etc/latchd/latchd.toml
.SH DESCRIPTION
The file is TOML. An unknown key or a bad value is an error; the message names the file,
the line, the key and the allowed values.
.PP
.B latchd config \-\-example
prints a commented configuration to start from.
.B latchd check
lists the errors in the file.
.B systemctl reload latchd
applies changes that do not affect the lock or the connection, and logs the keys that
need a restart.
.PP
Paths are absolute or relative to the file. The configuration holds no secrets: they are
in separate files in
.IR /etc/latchd/credentials ,
which only root can read. The unit gives the agent copies of them. Durations are written as
500ms, 4s or 1m30s.
`)

	lastTable, documentedIn := "-", map[string]string{}
	for _, k := range keys {
		table, name := splitKey(k.name)
		if table != lastTable {
			lastTable = table
			heading := "TOP LEVEL"
			if table != "" {
				heading = "[" + table + "]"
			}
			fmt.Fprintf(&b, ".SH %s\n", heading)
		}

		fmt.Fprintf(&b, ".TP\n\\fB%s = %s\\fR\n%s\n", roff(name), roff(k.example), roff(cmp.Or(k.doc, documentedIn[name])))
		if k.doc != "" {
			documentedIn[name] = fmt.Sprintf("See [%s].", table)
		}
	}

	b.WriteString(`.SH EXAMPLES
A magnet that keeps the door locked while its line is active:
.PP
.nf
[hub]
connection_string_file = "/etc/latchd/credentials/connection\-string"

[lock]
driver = "gpio"
mode = "hold"
at_power_on = "locked"

[lock.gpio]
chip = "pinctrl\-bcm2711"
line = 17
active = "locked"
.fi
.PP
A strike that opens while it is energised, with a bolt sensor:
.PP
.nf
[lock]
driver = "gpio"
mode = "pulse"
pulse = "500ms"
max_energised = "10s"

[lock.gpio]
chip = "pinctrl\-bcm2711"
line = 17

[lock.bolt_sensor]
line = 27
active = "locked"
bias = "pull\-up"
active_low = true
.fi
.SH SEE ALSO
.BR latchd (8)
`)

	return b.String()
}

// roff escapes a text for use in a man page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
