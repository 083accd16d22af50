package hub_test

import (
	"archive/tar"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

// A backup of a running hub has its devices, keys and policies. The restored hub calls no
// device for a job that the old hub may have finished meanwhile.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	old := start(t, t.TempDir())
	oldID := old.id()
	key := old.createDevice("door1")
	running := methodJob("running", "deviceId = 'door1'")
	running.CloudToDeviceMethod.ConnectTimeoutInSeconds = 60 // the device is offline
	old.do(http.MethodPut, "/jobs/v2/running", running, nil)
	later := methodJob("later", "deviceId = 'door1'")
	tonight := time.Now().Add(8 * time.Hour)
	later.StartTime = &tonight
	old.do(http.MethodPut, "/jobs/v2/later", later, nil)
	var rows []iothub.DeviceJob
	for len(rows) == 0 { // until the job has its row
		old.do(http.MethodPost, "/devices/query", map[string]string{"query": "SELECT * FROM devices.jobs"}, &rows)
	}

	file := filepath.Join(t.TempDir(), "hub.tar")
	if err := hub.Backup(t.Context(), old.dir, file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v, %v; want the mode 0600", info.Mode(), err)
	}
	old.stop()
	dir := filepath.Join(t.TempDir(), "restored")
	owner := os.Getuid()
	if owner == 0 { // the directory of a hub whose user is not root
		owner = 12345
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, owner, owner)); err != nil {
			t.Fatal(err)
		}
	}
	jobs, err := hub.Restore(t.Context(), dir, file)
	if err != nil || jobs != 2 {
		t.Fatalf("restored with %d unfinished jobs, %v; want 2", jobs, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others can read %s: %v, %v", entry.Name(), info.Mode(), err)
		} else if is := int(info.Sys().(*syscall.Stat_t).Uid); is != owner {
			t.Errorf("%s belongs to the user %d, want %d", entry.Name(), is, owner)
		}
	}

	restored := start(t, dir)
	if is := restored.id(); !is.SameHub(oldID) || is == oldID {
		t.Errorf("the hub with the id %s has the id %s after its restore; want the same id with a mark", oldID, is)
	}
	if restored.owner.Key.Base64() != old.owner.Key.Base64() || !restored.roots.Equal(old.roots) {
		t.Error("the restored hub has another key of the owner or another CA")
	}
	d, err := restored.connect("door1", key, true)
	if err != nil {
		t.Fatal(err)
	}
	d.subscribe(t)
	for _, id := range []string{"running", "later"} {
		if job := restored.job(id); job.Status != iothub.JobFailed || !strings.Contains(job.FailureReason, "restored from a backup") {
			t.Errorf("the job %s is %s: %q; want failed with the reason", id, job.Status, job.FailureReason)
		}
	}
	restored.do(http.MethodPost, "/devices/query", map[string]string{"query": "SELECT * FROM devices.jobs"}, &rows)
	if len(rows) != 1 || rows[0].Error == nil || rows[0].Error.Code != string(iothub.CodeOutcomeUnknown) {
		t.Errorf("the results of the devices are %+v; want one unknown outcome", rows)
	}

	restored.do(http.MethodPost, "/twins/door1/methods", iothub.MethodRequest{MethodName: "ping"}, nil)
	if first := <-d.calls; first != "ping" {
		t.Errorf("the restored hub called %s again", first)
	}
}

// A client that runs while its hub is replaced by a restored copy, such as an open console,
// sends no further command: the copy has the hub's keys and its address, but may have
// forgotten jobs.
func TestClientOfARestoredHub(t *testing.T) {
	t.Parallel()
	old := start(t, t.TempDir())
	old.createDevice("door1")
	client := rest.New(old.owner, rest.Options{Endpoint: &url.URL{Scheme: "https", Host: old.at.HTTPS.String()}, RootCAs: trust.Pool(old.roots)})
	defer client.CloseIdleConnections()
	if _, err := client.CreateJob(t.Context(), methodJob("before", "deviceId = 'door1'")); err != nil {
		t.Fatal(err)
	}

	file, dir := filepath.Join(t.TempDir(), "hub.tar"), filepath.Join(t.TempDir(), "restored")
	if err := hub.Backup(t.Context(), old.dir, file); err != nil {
		t.Fatal(err)
	}
	old.stop()
	client.CloseIdleConnections()
	if _, err := hub.Restore(t.Context(), dir, file); err != nil {
		t.Fatal(err)
	}
	restored := startWith(t, dir, func(o *hub.Options) { o.HTTPSAddr = old.at.HTTPS.String() })

	_, err := client.CreateJob(t.Context(), methodJob("after", "deviceId = 'door1'"))
	if other, ok := errors.AsType[*rest.OtherHubError](err); !ok || !other.Restored() {
		t.Errorf("a job for the restored hub: %v; want an OtherHubError", err)
	}
	var jobs []iothub.Job
	restored.do(http.MethodGet, "/jobs/v2/query", nil, &jobs)
	if len(jobs) != 1 || jobs[0].JobID != "before" {
		t.Errorf("the restored hub has the jobs %+v, want only the one from before", jobs)
	}
}

// A refused restore leaves a data directory as it was.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	archive := func(name string) string {
		file := filepath.Join(t.TempDir(), "hub.tar")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w := tar.NewWriter(f)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return file
	}
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "hub.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct{ dir, file, want string }{
		"a directory in use":      {used, archive("hub.db"), "has the file hub.db; choose an empty directory"},
		"a missing file":          {t.TempDir(), "/nonexistent", "no such file"},
		"no archive":              {t.TempDir(), os.Args[0], "want a file that 'latchhub backup' wrote"},
		"a path out of the place": {t.TempDir(), archive("../evil"), `the entry "../evil"`},
		"another file":            {t.TempDir(), archive("authorized_keys"), `the entry "authorized_keys"`},
		"no database":             {t.TempDir(), archive("ca.pem"), "no database"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hub.Restore(t.Context(), test.dir, test.file)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			entries, err := os.ReadDir(test.dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				if entry.Name() != "lock" && test.dir != used {
					t.Errorf("the directory has the file %s", entry.Name())
				}
			}
		})
	}

	if err := hub.Backup(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x.tar")); err == nil || !strings.Contains(err.Error(), "check --data") {
		t.Errorf("a backup of an empty directory: %v", err)
	}
}
