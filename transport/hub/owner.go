package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// loadOwner reads the owner's connection string, or makes one with a new key. A
// hub that was given another name keeps its key.
func loadOwner(dir, name string) (iothub.Key, error) {
	file := ownerFile(dir)
	content, err := os.ReadFile(file)
	owner := iothub.Service{HostName: name, KeyName: access.OwnerPolicy}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		owner.Key = iothub.NewKey()
	case err != nil:
		return nil, fmt.Errorf("the owner's connection string: %w", err)
	default:
		stored, err := iothub.ParseService(string(content))
		if err == nil && stored.KeyName != access.OwnerPolicy {
			err = fmt.Errorf("it is of policy %s, want %s", stored.KeyName, access.OwnerPolicy)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; correct it, or remove it for a new key", file, err)
		}
		if owner.Key = stored.Key; stored.HostName == name {
			return owner.Key, nil
		}
	}
	return owner.Key, writeOwner(dir, owner)
}

func ownerFile(dir string) string { return filepath.Join(dir, "service.connection-string") }

func writeOwner(dir string, owner iothub.Service) error {
	return durable.Replace(ownerFile(dir), []byte(owner.ConnectionString()+"\n"), 0o600)
}

// checkName reports whether name can be the hub's: what clients connect to and sign.
func checkName(name string) error {
	if net.ParseIP(name) != nil && !strings.Contains(name, ":") {
		return nil
	}
	if name == "" || len(name) > 253 {
		return fmt.Errorf("the hub's name has %d characters, want 1 to 253; set it with --name", len(name))
	}
	for _, label := range strings.Split(name, ".") {
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
				return fmt.Errorf("the hub's name is %q; want a host name without scheme, port or path, such as hub.example.com", name)
			}
		}
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("the hub's name is %q; want a host name, such as hub.example.com", name)
		}
	}
	return nil
}
