package systemd

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
)

// maxName is the maximum length of a stored file's name, in bytes.
const maxName = 255

// Store gives systemd a duplicate of an open file. systemd keeps the file open after
// this process ends, and passes it to the service's next process under the given name.
// systemd closes the file when the service is stopped. Several files may have the same
// name.
//
// systemd silently discards files beyond the unit's FileDescriptorStoreMax. It also
// discards files with a hang-up or an error, such as a pipe whose other end is closed.
func (m Manager) Store(fd int, name string) (sent bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	return m.send("FDSTORE=1\nFDNAME="+name, fd)
}

// Remove makes systemd close all stored files with the given name. Processes that have
// duplicates of these files keep them open.
func (m Manager) Remove(name string) (sent bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	return m.send("FDSTOREREMOVE=1\nFDNAME=" + name)
}

// Stored returns the open files that systemd stored for this process. File.Name returns
// the name under which a file was stored. Only the first call returns files. It also
// removes the files from the environment variables, so that no child process claims
// them.
func Stored() []*os.File { return activation.Files(true) }

// checkName refuses names that systemd does not accept. systemd would store the file
// under the name "stored" instead.
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
