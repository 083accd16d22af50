package durable

import (
	"errors"
	"os"
)

// GiveToOwner gives the regular file at path to the owner of its directory, if root runs
// the program. It follows no symbolic link at the end of path.
func GiveToOwner(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(giveToOwner(f), f.Close())
}
