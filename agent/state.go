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

// State is what the agent keeps over its process's life.
type State struct {
	Lock actuator.Record `json:"lock"`
	// Accepted are the values of desired properties that are in force.
	Accepted iothub.Object `json:"accepted,omitempty"`
	// Lines are what has to be let go after the process, in the form of whoever
	// drives them; nothing for a lock that is held.
	Lines json.RawMessage `json:"lines,omitempty"`
	// Assignment is the hub that a provisioning service has assigned, in its form.
	Assignment json.RawMessage `json:"assignment,omitempty"`
	// BootID is the boot in which the agent last ran.
	BootID     string  `json:"bootId,omitempty"`
	Reboot     *Reboot `json:"reboot,omitempty"` // that is about to happen
	LastReboot *Reboot `json:"lastReboot,omitempty"`
}

// stateVersion is raised when the file's form changes in a way that an older
// agent would misread.
const stateVersion = 1

const stateName = "state.json"

// saveRetry is how long after a write that failed it is tried again.
const saveRetry = 10 * time.Second

// stateFile is the form of the file.
type stateFile struct {
	Version int `json:"version"`
	State
}

// Store keeps the state in one file, replaced as a whole and synced. It is safe
// for concurrent use. Changes that come while a write is under way share the next,
// and what could not be written is tried again.
type Store struct {
	path string // empty: nothing is kept on disk

	mu      sync.Mutex
	state   State
	waiting []func(error) // of changes not yet taken into a write
	errors  int64
	wake    chan struct{}
	ended   chan struct{}
	closed  bool
}

// OpenStore reads the state from dir, which must exist, and begins to keep it
// there. With an empty dir the state lives in memory only. A file that cannot be
// read, is corrupt, or is of a later version, is set aside with a warning: the
// agent then starts as if for the first time. A door is not to be left without
// its agent for a bad file.
func OpenStore(dir string, log *zap.Logger) (*Store, error) {
	s := &Store{wake: make(chan struct{}, 1), ended: make(chan struct{})}
	if dir == "" {
		close(s.ended)
		return s, nil
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the state directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("open the state directory: %s is not a directory", dir)
	}
	s.path = filepath.Join(dir, stateName)
	text, err := os.ReadFile(s.path)
	if err == nil {
		s.state, err = readState(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		setAside(log, s.path, err)
	}
	go s.writeLoop()
	return s, nil
}

// setAside keeps a file that cannot be used under another name.
func setAside(log *zap.Logger, path string, why error) {
	aside := path + ".bad"
	log.Warn("a file of the agent's state cannot be used and is set aside; the agent starts without it",
		zap.String("file", path), zap.String("kept as", aside), zap.Error(why))
	if err := os.Rename(path, aside); err != nil {
		log.Warn("the unusable file cannot be set aside; it will be overwritten", zap.Error(err))
	}
}

// readState reads the text of the file.
func readState(text []byte) (State, error) {
	var file stateFile
	if err := json.Unmarshal(text, &file); err != nil {
		return State{}, err
	}
	if file.Version != stateVersion {
		return State{}, fmt.Errorf("it has version %d, this agent knows %d", file.Version, stateVersion)
	}
	return file.State, nil
}

// ReadState reads what an agent keeps in dir, which may be running.
func ReadState(dir string) (State, error) {
	text, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		return State{}, fmt.Errorf("read the agent's state: %w", err)
	}
	state, err := readState(text)
	if err != nil {
		return State{}, fmt.Errorf("read the agent's state in %s: %w", dir, err)
	}
	return state, nil
}

// Get returns the state. Its maps are not to be changed.
func (s *Store) Get() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// errClosed is the error of a change that came after Close.
var errClosed = errors.New("the state is closed")

// Update changes the state and calls done, from another goroutine or this one,
// when the change is on disk or could not be written. change must replace maps,
// not write into them.
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
	s.waiting = append(s.waiting, done)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	s.mu.Unlock()
}

// Save keeps the lock's record; it makes the store an actuator.Journal.
func (s *Store) Save(record actuator.Record, done func(error)) {
	s.Update(func(state *State) { state.Lock = record }, done)
}

// Errors returns how many writes have failed.
func (s *Store) Errors() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.errors
}

// Close writes what is not written yet and ends.
func (s *Store) Close() {
	s.mu.Lock()
	if !s.closed && s.path != "" {
		close(s.wake)
	}
	s.closed = true
	s.mu.Unlock()
	<-s.ended
}

func (s *Store) writeLoop() {
	defer close(s.ended)
	var failed error // the last write
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

// writeOnce writes the state if something has changed or the write before has failed.
func (s *Store) writeOnce(before error) error {
	s.mu.Lock()
	state, waiting := s.state, s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if len(waiting) == 0 && before == nil {
		return nil
	}
	err := writeState(s.path, state)
	if err != nil {
		s.mu.Lock()
		s.errors++
		s.mu.Unlock()
	}
	for _, done := range waiting {
		done(err)
	}
	return err
}

func writeState(path string, state State) error {
	text, err := json.MarshalIndent(stateFile{stateVersion, state}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := durable.Replace(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}
