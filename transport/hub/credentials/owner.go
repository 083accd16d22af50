package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

// ownerFile is the file with the connection string of the policy iothubowner. latchctl
// can use this file as it is.
func ownerFile(dir string) string { return filepath.Join(dir, "service.connection-string") }

// loadOwnerKey returns the primary key of the policy iothubowner. If the file with the
// owner's connection string is missing, loadOwnerKey creates it. If the hub's name has
// changed, it corrects the name in the connection string.
func loadOwnerKey(dir, hubName string) (iothub.Key, error) {
	owner, err := readOwner(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		owner = iothub.Service{KeyName: access.OwnerPolicy, Key: iothub.NewKey()}
	case err != nil:
		return nil, err
	case owner.HostName == hubName:
		return owner.Key, nil
	}

	owner.HostName = hubName
	return owner.Key, writeOwner(dir, owner)
}

// readOwner reads the owner's connection string. If the file is missing, the error is
// fs.ErrNotExist.
func readOwner(dir string) (iothub.Service, error) {
	content, err := os.ReadFile(ownerFile(dir))
	if err != nil {
		return iothub.Service{}, fmt.Errorf("read the owner's connection string: %w", err)
	}

	owner, err := iothub.ParseService(string(content))
	if err == nil && owner.KeyName != access.OwnerPolicy {
		err = fmt.Errorf("the policy is %s, want %s", owner.KeyName, access.OwnerPolicy)
	}
	if err != nil {
		return iothub.Service{}, fmt.Errorf("%s: %w; correct the file, or remove it to get a new key", ownerFile(dir), err)
	}
	return owner, nil
}

func writeOwner(dir string, owner iothub.Service) error {
	return durable.Replace(ownerFile(dir), []byte(owner.ConnectionString()+"\n"), 0o600)
}
