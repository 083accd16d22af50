package systemd

import (
	"os"
	"path/filepath"
)

// Credential returns the path from which to read a secret file. It returns systemd's
// copy of the file at path and true, if there is a copy. Otherwise it returns path and
// false.
//
// Only root can read the original files. systemd makes private copies for a unit that
// has
//
//	LoadCredential=credentials:/etc/latchd/credentials
//
// The copy of a file in that directory is $CREDENTIALS_DIRECTORY/credentials_FILE.
// Credential finds a copy by the last two elements of path.
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
