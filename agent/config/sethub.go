package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
)

// HubEdit says how SetHub changes a configuration file.
type HubEdit struct {
	ConnectionStringFile string
	CAFile               string
	Mock                 bool // add a table [lock] with the driver mock
}

// ErrOtherLock means that SetHub should add a simulated lock to a file that has a lock.
var ErrOtherLock = errors.New("the configuration has a table [lock] already; leave out --mock")

// SetHub returns the text of a configuration file with a new login at the hub. It comments
// out the old login. It changes nothing else: comments, order and all other keys stay as
// they are. text is the present text of the file, empty for a new file.
//
// hasLock reports whether the new text has a table [lock]. SetHub adds one only if the edit
// says so. If text is invalid, or so unusual that SetHub cannot edit it, the error says what
// to correct.
func SetHub(file string, text []byte, edit HubEdit) (changed []byte, hasLock bool, err error) {
	old := defaults(file)
	if err := decode(text, &old); err != nil {
		return nil, false, explain(file, text, err)
	}

	tables := splitTables(text)
	hasLock = tables.lockOnTop || slices.Contains(tables.names(), "lock")
	if hasLock && edit.Mock && old.Lock.Driver != "mock" {
		return nil, false, fmt.Errorf("%s: %w", file, ErrOtherLock)
	}

	switch {
	case len(text) == 0:
		changed = []byte("# Configuration of latchd, written by 'latchd enroll'; see latchd.toml(5).\n")
	case reflect.DeepEqual(edit.apply(old), old):
		changed = slices.Clone(text) // an earlier enrollment has set the login
	default:
		changed = tables.withLogin(edit)
	}
	if !slices.Contains(tables.names(), "hub") {
		changed = appendTable(changed, "hub", edit.login())
	}
	if !hasLock && edit.Mock {
		changed = appendTable(changed, "lock", mockLock)
		hasLock = true
	}

	if err := verifyEdit(file, changed, old, edit); err != nil {
		return nil, false, err
	}
	return changed, hasLock, nil
}

// login returns the lines of the login.
func (e HubEdit) login() string {
	return fmt.Sprintf("connection_string_file = %q\nca_file = %q\n", e.ConnectionStringFile, e.CAFile)
}

const mockLock = "driver = \"mock\"\nat_power_on = \"locked\"\n"

// appendTable appends a table to a file.
func appendTable(text []byte, name, lines string) []byte {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return fmt.Appendf(text, "\n[%s]\n%s", name, lines)
}

var (
	// loginKey matches a key of the table [hub] that belongs to the login, and not to the
	// way to the hub, such as proxy.
	loginKey  = regexp.MustCompile(`^\s*["']?(connection_string_file|certificate_file|certificate_key_file|endpoint|ca_file)["']?\s*=`)
	noComment = regexp.MustCompile(`^\s*[^\s#]`)
)

// withLogin returns the file's lines with a new login after the heading [hub], if there is
// one. The old login, and the table [provisioning], become comments.
func (t tables) withLogin(edit HubEdit) []byte {
	var text []byte
	inserted := false
	for i, line := range t.lines {
		heading := tableHeading.Match(line)
		switch {
		case t.table[i] == "hub" && heading && !inserted:
			inserted = true
			text = append(text, bytes.TrimRight(line, "\r\n")...)
			text = append(append(text, '\n'), edit.login()...)
			continue
		case t.table[i] == "hub" && loginKey.Match(line), t.table[i] == "provisioning" && noComment.Match(line):
			text = append(text, '#')
		}
		text = append(text, line...)
	}
	return text
}

// apply returns a configuration with the login of the edit.
func (e HubEdit) apply(c Config) Config {
	c.Hub.ConnectionStringFile, c.Hub.CAFile = e.ConnectionStringFile, e.CAFile
	c.Hub.CertificateFile, c.Hub.CertificateKeyFile, c.Hub.Endpoint = "", "", ""
	c.Provisioning = Provisioning{}
	return c
}

// verifyEdit checks that an edit changed only what it should.
func verifyEdit(file string, text []byte, old Config, edit HubEdit) error {
	want := edit.apply(old)
	if edit.Mock {
		want.Lock.Driver = "mock"
		if old.Lock.Driver == "" {
			want.Lock.AtPowerOn = "locked"
		}
	}

	got := defaults(file)
	if err := decode(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: the table [hub] has an unusual form and cannot be changed automatically; set connection_string_file = %q and ca_file = %q, "+
			"and remove all other keys of the login", file, edit.ConnectionStringFile, edit.CAFile)
	}
	return nil
}
