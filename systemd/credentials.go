package systemd

import (
	"os"
	"path/filepath"
)

// Credential returns the path from which to read a secret file whose original only root
// may be able to read. If there is a copy of path, Credential returns the copy and true;
// otherwise it returns path and false.
//
// A copy is named as CredentialName says. It is in the directory of systemd's own
// credentials ($CREDENTIALS_DIRECTORY, for a unit with LoadCredentialEncrypted=) or in
// CopiedCredentials.
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
// /etc/latchd/credentials/FILE. Only the last two elements of path count.
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
