package systemd

import (
	"os"
	"path/filepath"
)

// Credential returns where to read a secret file of the configuration. A unit
// with
//
//	LoadCredential=credentials:/etc/latchd/credentials
//
// gets its own copy of each file in that folder, which only root can read, as
// $CREDENTIALS_DIRECTORY/credentials_FILE. If there is such a copy of path, by
// the names of its folder and of itself, Credential returns the copy and true;
// else path and false.
func Credential(path string) (string, bool) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return path, false
	}
	copied := filepath.Join(dir, filepath.Base(filepath.Dir(path))+"_"+filepath.Base(path))
	if _, err := os.Stat(copied); err != nil {
		return path, false
	}
	return copied, true
}
