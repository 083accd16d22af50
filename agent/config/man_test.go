package config

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
)

const manPage = "../../packaging/man/latchd.toml.5"

// TestManPage: the man page of the configuration is what the table of keys says.
// With UPDATE_SCRIPTS set it is written.
func TestManPage(t *testing.T) {
	want := manual()
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(manPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(manPage); err != nil || string(got) != want {
		t.Errorf("%s is not up to date (%v); run the test with UPDATE_SCRIPTS=1", manPage, err)
	}
}

// manual returns the man page in roff.
func manual() string {
	var b strings.Builder
	b.WriteString(`.TH LATCHD.TOML 5 "Nov 2026" latchd
.SH NAME
latchd.toml \- configuration of latchd, the agent of a door lock
.SH SYNOPSIS
.I /etc/latchd/latchd.toml
.SH DESCRIPTION
The file is TOML. It is read strictly: a key that is not known, or a value that cannot
be, is an error that names file, line and key, and what is allowed.
.PP
.B latchd check
says what is wrong with it.
.B systemctl reload latchd
takes what can be changed without touching the lock, and says what needs a restart.
.B latchd config \-\-example
prints a file to begin with.
.PP
Paths are absolute, or relative to the file. Secrets stand in files of their own, in
.IR /etc/latchd/credentials ,
which only root can read; the agent gets copies from systemd. Durations are as in 500ms, 4s or 1m30s.
`)
	table, seen := "-", map[string]string{}
	for _, k := range keys {
		in, name := "", k.name
		if dot := strings.LastIndexByte(k.name, '.'); dot >= 0 {
			in, name = k.name[:dot], k.name[dot+1:]
		}
		if in != table {
			table = in
			heading := "BEFORE THE TABLES"
			if in != "" {
				heading = "[" + in + "]"
			}
			fmt.Fprintf(&b, ".SH %s\n", heading)
		}
		fmt.Fprintf(&b, ".TP\n\\fB%s = %s\\fR\n%s\n", roff(name), roff(k.example), roff(cmp.Or(k.doc, seen[name], "As above.")))
		seen[name] = fmt.Sprintf("As in [%s].", in)
	}
	b.WriteString(`.SH EXAMPLES
A magnet that holds the door while its line is active:
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
A strike that opens while it is energised, with a sensor for its bolt:
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

// roff escapes text for a man page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
