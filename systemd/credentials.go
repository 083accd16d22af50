package systemd

import (
	"os"
	"path/filepath"
)

// Credential returns the path from which to read a secret file. A unit with
//
//	LoadCredential=credentials:/etc/latchd/credentials
//
// gets a private copy of each file in that directory, named
// $CREDENTIALS_DIRECTORY/credentials_FILE, because only root can read the originals.
// If there is a copy of path, Credential returns the copy and true; otherwise it
// returns path and false. Only the last two elements of path count.
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
