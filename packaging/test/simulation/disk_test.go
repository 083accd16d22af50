package simulation

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/latchd/latchd/transport/durable"
)

// disk is the file system of one gateway. It survives the gateway's processes.
type disk struct {
	mu       sync.Mutex
	full     bool
	everFull bool
	freed    time.Time // when it was last full
	files    map[string]*diskFile
}

// diskFile is the content of a file. A power cut can lose what was not synced.
type diskFile struct{ synced, unsynced []byte }

func newDisk() *disk { return &disk{files: map[string]*diskFile{}} }

func (d *disk) setFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full, d.everFull, d.freed = full, d.everFull || full, time.Now()
}

// wasFull reports whether the disk is full or was so recently that the agent has not
// written again yet. What the agent then answers is not on disk.
func (d *disk) wasFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full || !d.freed.IsZero() && time.Since(d.freed) < time.Minute
}

// powerCut loses a random part of the writes that were not synced.
func (d *disk) powerCut(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		kept := random.IntN(len(f.unsynced) + 1)
		f.synced, f.unsynced = append(f.synced, f.unsynced[:kept]...), nil
	}
}

// mounted is the disk as one process sees it. It implements durable.Files.
type mounted struct {
	*disk
	process *process
}

var _ durable.Files = mounted{}

// errDead is the error of all that a dead process still tries to do.
var errDead = errors.New("the simulated process is dead")

// ReadFile implements durable.Files.
func (m mounted) ReadFile(path string) ([]byte, error) {
	if !m.process.passSeam() {
		return nil, errDead
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[path]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return append(append([]byte(nil), f.synced...), f.unsynced...), nil
}

// Replace implements durable.Files.
func (m mounted) Replace(path string, content []byte, _ os.FileMode) error {
	if !m.process.passSeam() {
		return errDead
	}
	m.mu.Lock()
	if m.full {
		m.mu.Unlock()
		return &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
	}
	m.files[path] = &diskFile{synced: append([]byte(nil), content...)}
	m.mu.Unlock()

	if !m.process.passSeam() { // the process ends after the write and before it knows
		return errDead
	}
	return nil
}

// Append implements durable.Files.
func (m mounted) Append(path string) (durable.Appender, error) {
	if !m.process.passSeam() {
		return nil, errDead
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[path]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return &openFile{m, f, path}, nil
}

// SetAside implements durable.Files. The agent sets only unusable files aside, and a
// crash must not leave any.
func (m mounted) SetAside(path string) (string, error) {
	if !m.process.passSeam() {
		return "", errDead
	}
	m.process.gateway.fail(2, "the agent set its file %s aside as unusable", path)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path+".bad"] = m.files[path]
	delete(m.files, path)
	return path + ".bad", nil
}

// openFile is a file that a process has opened for appending.
type openFile struct {
	mounted
	file *diskFile
	path string
}

// Write implements io.Writer. A process that ends here has written half of p.
func (f *openFile) Write(p []byte) (int, error) {
	wasAlive := f.process.isAlive()
	alive := f.process.passSeam()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !wasAlive:
		return 0, errDead
	case f.full:
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: syscall.ENOSPC}
	case !alive:
		f.file.unsynced = append(f.file.unsynced, p[:len(p)/2]...)
		return len(p) / 2, errDead
	}
	f.file.unsynced = append(f.file.unsynced, p...)
	return len(p), nil
}

// Sync implements durable.Appender.
func (f *openFile) Sync() error {
	if !f.process.passSeam() {
		return errDead
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.file.synced, f.file.unsynced = append(f.file.synced, f.file.unsynced...), nil
	return nil
}

// Close implements io.Closer.
func (f *openFile) Close() error { return nil }
