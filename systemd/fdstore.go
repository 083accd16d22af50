package systemd

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
)

// maxName is the maximum length of a stored file's name in bytes.
const maxName = 255

// Store gives systemd a duplicate of an open file. systemd keeps the file open after
// this process ends and hands it to the next process of the service under this name.
// It closes the file when the service is stopped. Names need not be unique.
//
// systemd silently discards files beyond the unit's FileDescriptorStoreMax and files
// that have hung up or have an error, such as a pipe whose other end is closed.
func (m Manager) Store(fd int, name string) (sent bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	return m.send("FDSTORE=1\nFDNAME="+name, fd)
}

// Remove makes systemd close all stored files with this name. Duplicates in processes
// stay open.
func (m Manager) Remove(name string) (sent bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	return m.send("FDSTOREREMOVE=1\nFDNAME=" + name)
}

// Stored returns the files that systemd stored for this process. File.Name returns the
// name of each. Only the first call returns files: it also removes them from the
// environment, so that a child process does not claim them.
func Stored() []*os.File { return activation.Files(true) }

// checkName refuses the names that systemd would replace by "stored".
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("stored file: the name has %d bytes; use 1 to %d", len(name), maxName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return fmt.Errorf("stored file: invalid name %q; use printable ASCII without colons", name)
		}
	}
	return nil
}
