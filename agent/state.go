package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/iothub"
)

// State is what the agent saves on disk for its next process.
type State struct {
	Lock actuator.Record `json:"lock"`
	// Accepted holds the desired property values that the agent has accepted.
	Accepted iothub.Object `json:"accepted,omitempty"`
	// Lines describes, in the driver's own format, the GPIO lines that 'latchd release'
	// must release after the agent has ended. It is empty in Hold mode, because the
	// line then keeps its level.
	Lines json.RawMessage `json:"lines,omitempty"`
	// Assignment is the hub that a provisioning service assigned to the device, in the
	// format of package provisioning.
	Assignment json.RawMessage `json:"assignment,omitempty"`
	// BootID is the kernel's id of the boot in which the agent last ran.
	BootID     string  `json:"bootId,omitempty"`
	Reboot     *Reboot `json:"reboot,omitempty"` // the reboot that the agent is about to start
	LastReboot *Reboot `json:"lastReboot,omitempty"`
}

// stateVersion is the version of the state file's format. A change that an older agent
// would misread must increase it.
const stateVersion = 1

// stateName is the name of the state file in the state directory.
const stateName = "state.json"

// saveRetry is the delay before a failed write of the state file is retried.
const saveRetry = 10 * time.Second

// stateFile is the format of the state file.
type stateFile struct {
	Version int `json:"version"`
	State
}

// Store keeps the agent's state in one file. It replaces the whole file at each write,
// syncs it, and retries a failed write. Changes that arrive during a write are saved
// together by the next one. A Store is safe for concurrent use.
type Store struct {
	files durable.Files
	path  string // path of the state file; if empty, the state is in memory only

	waiters durable.Waiters // callbacks for changes that are not on disk yet

	mu     sync.Mutex
	state  State
	errors int64
	wake   chan struct{}
	ended  chan struct{}
	closed bool
}

// OpenStore reads the state file in dir and returns a store that writes it. The
// directory must exist. If dir is empty, the state is in memory only.
//
// An unusable state file does not stop the agent, because the agent must control its
// door in any case. If the file is unreadable, corrupt or of a later version, OpenStore
// renames it, logs a warning and starts with an empty state.
func OpenStore(dir string, log *zap.Logger) (*Store, error) {
	if dir == "" {
		s := newStore(durable.Disk{}, "")
		close(s.ended)
		return s, nil
	}

	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the state directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("open the state directory: %s is not a directory", dir)
	}
	return OpenStoreOn(durable.Disk{}, dir, log), nil
}

// OpenStoreOn is like [OpenStore], but keeps the state file in the directory dir of
// files and does not check that the directory exists.
func OpenStoreOn(files durable.Files, dir string, log *zap.Logger) *Store {
	s := newStore(files, filepath.Join(dir, stateName))
	text, err := files.ReadFile(s.path)
	if err == nil {
		s.state, err = decodeState(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.setAside(log, err)
	}

	go s.writeLoop()
	return s
}

func newStore(files durable.Files, path string) *Store {
	return &Store{files: files, path: path, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// setAside renames an unusable state file, so that somebody can examine it later.
func (s *Store) setAside(log *zap.Logger, reason error) {
	aside, err := s.files.SetAside(s.path)
	if err != nil {
		log.Warn("the state file is unusable and will be overwritten", zap.String("file", s.path), zap.Error(errors.Join(reason, err)))
		return
	}
	log.Warn("the state file is unusable and was set aside; the agent starts without it",
		zap.String("file", s.path), zap.String("renamed_to", aside), zap.Error(reason))
}

// decodeState decodes the text of a state file.
func decodeState(text []byte) (State, error) {
	var file stateFile
	if err := json.Unmarshal(text, &file); err != nil {
		return State{}, err
	}
	if file.Version != stateVersion {
		return State{}, fmt.Errorf("the file has version %d; this agent reads version %d", file.Version, stateVersion)
	}
	return file.State, nil
}

// ReadState reads the state file in dir. It is safe to call while the agent is running.
func ReadState(dir string) (State, error) {
	text, err := durable.Read(filepath.Join(dir, stateName))
	if err != nil {
		return State{}, fmt.Errorf("read the agent's state: %w", err)
	}

	state, err := decodeState(text)
	if err != nil {
		return State{}, fmt.Errorf("read the agent's state in %s: %w", dir, err)
	}
	return state, nil
}

// Get returns the current state. The caller must not modify its maps.
func (s *Store) Get() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// errClosed is the error for a change of the state after Close.
var errClosed = errors.New("the state is closed")

// Update changes the state with the function change. This function must not modify the
// state's maps; it must replace them. Update calls done, possibly from another
// goroutine, when the new state is on disk or the write has failed.
func (s *Store) Update(change func(*State), done func(error)) {
	s.mu.Lock()
	change(&s.state)

	if s.path == "" || s.closed {
		closed := s.closed
		s.mu.Unlock()
		if closed {
			done(errClosed)
		} else {
			done(nil)
		}
		return
	}

	s.waiters.Add(done)
	signal(s.wake)
	s.mu.Unlock()
	s.waiters.Trim()
}

// Errors returns the number of failed writes.
func (s *Store) Errors() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errors
}

// Close writes pending changes and stops the store's goroutine.
func (s *Store) Close() {
	s.mu.Lock()
	if !s.closed && s.path != "" {
		close(s.wake)
	}
	s.closed = true
	s.mu.Unlock()
	<-s.ended
}

// writeLoop writes the state after each change until Close is called. It retries failed
// writes.
func (s *Store) writeLoop() {
	defer close(s.ended)
	var failed error // error of the previous write

	for open := true; open; {
		var retry <-chan time.Time
		if failed != nil {
			retry = time.After(saveRetry)
		}

		select {
		case _, open = <-s.wake:
		case <-retry:
		}
		failed = s.writeOnce(failed)
	}
}

// writeOnce writes the state if it has changed or if the previous write failed.
func (s *Store) writeOnce(previous error) error {
	s.mu.Lock()
	state := s.state
	waiters, changed := s.waiters.Last()
	s.mu.Unlock()
	if !changed && previous == nil {
		return nil
	}

	err := writeState(s.files, s.path, state)
	if err != nil {
		s.mu.Lock()
		s.errors++
		s.mu.Unlock()
	}

	s.waiters.Finish(waiters, err)
	return err
}

func writeState(files durable.Files, path string, state State) error {
	text, err := json.MarshalIndent(stateFile{stateVersion, state}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := files.Replace(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}
