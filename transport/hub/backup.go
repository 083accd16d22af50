package hub

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

const database = "hub.db"

// backupFiles are the files of a data directory that a backup contains. The database is
// the last, so that an incomplete restore has no database.
var backupFiles = []string{"ca.pem", "ca.key", "server.pem", "server.key", "policies.json", "service.connection-string", database}

// Backup writes the contents of a data directory to a new tar archive with the mode 0600.
// A hub may use the directory meanwhile. The archive contains all keys of the hub.
func Backup(ctx context.Context, dataDir, file string) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(file), ".latchhub-backup-")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer os.RemoveAll(work)
	if err := store.Copy(ctx, filepath.Join(dataDir, database), filepath.Join(work, database)); err != nil {
		return fmt.Errorf("backup: %w; check --data, and run this command as the hub's user", err)
	}

	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %w; choose a new file", err)
	}
	defer func() {
		if err != nil {
			os.Remove(file)
		}
	}()

	archive := tar.NewWriter(out)
	for _, name := range backupFiles {
		dir := dataDir
		if name == database {
			dir = work
		}
		if err == nil {
			err = appendFile(archive, filepath.Join(dir, name))
		}
	}
	if err := errors.Join(err, archive.Close(), out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// appendFile adds a file to an archive. A hub creates the files that are missing.
func appendFile(archive *tar.Writer, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()

	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: filepath.Base(path), Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// restored is the result of devices of which a restored job has no result.
var restored = iothub.DeviceJobError{Code: string(iothub.CodeOutcomeUnknown),
	Description: "the hub was restored from a backup, so it does not know whether the device was called; it is not called again"}

// Restore fills an empty or missing data directory from an archive that Backup wrote. It
// ends the jobs that had not ended as failed, because their devices may have been called
// after the backup: a door would otherwise move twice. It ends all invitations, because
// their codes may have been used after the backup. It returns the number of these jobs.
//
// The restored hub is the same hub for its devices and clients: it has the same keys, the
// same CA and the same id. Never run both hubs. The id gets a new mark, so that clients
// notice that the hub has forgotten the jobs that it ran after the backup.
func Restore(ctx context.Context, dataDir, file string) (jobs int, err error) {
	unlock, err := openDataDir(dataDir)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if err := checkEmpty(dataDir); err != nil {
		return 0, err
	}

	work, err := os.MkdirTemp(dataDir, "restore-")
	if err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(work)
	if err := extract(file, work); err != nil {
		return 0, fmt.Errorf("restore %s: %w", file, err)
	}
	if jobs, err = markRestored(ctx, filepath.Join(work, database)); err != nil {
		return 0, fmt.Errorf("restore %s: %w", file, err)
	}

	for _, name := range backupFiles {
		if err := os.Rename(filepath.Join(work, name), filepath.Join(dataDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("restore: %w", err)
		}
		if err := durable.GiveToOwner(filepath.Join(dataDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("restore: %w", err)
		}
	}
	return jobs, nil
}

// checkEmpty checks that a data directory has no files except the hub's lock.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != "lock" {
			return fmt.Errorf("restore: the data directory %s has the file %s; choose an empty directory with --data", dir, entry.Name())
		}
	}
	return nil
}

// extract writes the files of an archive to dir. It refuses an archive with other files, or
// without a database.
func extract(file, dir string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()

	archive := tar.NewReader(in)
	complete := false
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && !complete:
			return errors.New("the archive has no database; want a file that 'latchhub backup' wrote")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the archive: %w; want a file that 'latchhub backup' wrote", err)
		case header.Typeflag != tar.TypeReg || !slices.Contains(backupFiles, header.Name):
			return fmt.Errorf("the archive has the entry %q; want a file that 'latchhub backup' wrote", header.Name)
		}

		if err := writeFile(filepath.Join(dir, header.Name), archive); err != nil {
			return err
		}
		complete = complete || header.Name == database
	}
}

func writeFile(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// markRestored ends the unfinished jobs and the invitations in a restored database, and
// marks the hub's id. It returns the number of jobs.
func markRestored(ctx context.Context, path string) (int, error) {
	db, err := store.Open(path)
	if err != nil {
		return 0, err
	}

	jobs, err := db.EndUnfinishedJobs(ctx, "the hub was restored from a backup", restored, time.Now())
	if err == nil {
		err = db.EndInvitations(ctx)
	}
	if err == nil {
		err = db.MarkRestored(ctx)
	}
	return jobs, errors.Join(err, db.Close())
}
