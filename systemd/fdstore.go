package systemd

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
)

// maxName is how long the name of a stored file may be.
const maxName = 255

// Store has systemd keep a duplicate of an open file beyond the process's life,
// and hand it to the next process under this name. It outlives every kind of end
// but the stop of the service. Names need not be unique. Systemd drops, without
// a word, what is beyond the unit's FileDescriptorStoreMax, and a file that has
// hung up or has an error, such as a pipe without its other end.
func (m Manager) Store(fd int, name string) (sent bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	return m.send("FDSTORE=1\nFDNAME="+name, fd)
}

// Remove has systemd close all files that it keeps under this name. Duplicates
// that processes have stay open.
func (m Manager) Remove(name string) (sent bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	return m.send("FDSTOREREMOVE=1\nFDNAME=" + name)
}

// Stored returns the files that systemd has kept for this process; Name gives
// what they were stored under. Only the first call returns them: it takes them
// out of the environment, so that no child mistakes them for its own.
func Stored() []*os.File { return activation.Files(true) }

// checkName accepts what systemd does: else it would store the file as "stored".
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("name of a stored file: it has %d characters, want 1 to %d", len(name), maxName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return fmt.Errorf("name of a stored file: %q has a colon or a character that is not printable ASCII", name)
		}
	}
	return nil
}
