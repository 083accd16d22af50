package systemd

import (
	"os"
	"path/filepath"
)

// Credential returns the path from which to read the secret file path. If systemd or a
// command of the unit has made a copy of the file, Credential returns the copy's path
// and true. Otherwise it returns path and false. The copy is needed because only root
// may be able to read the original.
//
// CredentialName returns the copy's name. The copy is in the directory of systemd's
// own credentials ($CREDENTIALS_DIRECTORY, for a unit with LoadCredentialEncrypted=)
// or in CopiedCredentials.
func Credential(path string) (string, bool) {
	for _, dir := range []string{os.Getenv("CREDENTIALS_DIRECTORY"), CopiedCredentials()} {
		if dir == "" {
			continue
		}
		copied := filepath.Join(dir, CredentialName(path))
		if _, err := os.Stat(copied); err == nil {
			return copied, true
		}
	}
	return path, false
}

// CredentialName returns the name of the copy of a secret file: credentials_FILE for
// /etc/latchd/credentials/FILE. The name contains only the last two elements of path.
func CredentialName(path string) string {
	return filepath.Base(filepath.Dir(path)) + "_" + filepath.Base(path)
}

// CopiedCredentials returns the directory in the service's runtime directory in which a
// command of the unit puts copies of secret files. It is empty for a process without a
// runtime directory.
func CopiedCredentials() string {
	dir := os.Getenv("RUNTIME_DIRECTORY")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "credentials")
}
