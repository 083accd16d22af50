package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/systemd"
)

// fdStore is systemd's file descriptor store of this service. It implements
// gpio.FDStore.
type fdStore struct {
	manager systemd.Manager
	files   map[string]*os.File
}

// newFDStore receives the files that systemd stored for this process.
func newFDStore(manager systemd.Manager) *fdStore {
	s := &fdStore{manager, make(map[string]*os.File)}
	for _, file := range systemd.Stored() {
		if older := s.files[file.Name()]; older != nil { // the line in use is the last one stored
			older.Close()
		}
		s.files[file.Name()] = file
	}
	return s
}

// Files implements gpio.FDStore.
func (s *fdStore) Files() map[string]*os.File { return s.files }

// Add implements gpio.FDStore.
func (s *fdStore) Add(name string, fd int) error {
	if _, err := s.manager.Remove(name); err != nil {
		return err
	}
	_, err := s.manager.Store(fd, name)
	return err
}

// removeTimeout bounds how long systemd may take to close a stored file.
const removeTimeout = time.Second

// Remove implements gpio.FDStore.
func (s *fdStore) Remove(name string) error {
	if file := s.files[name]; file != nil {
		file.Close()
		delete(s.files, name)
	}
	if _, err := s.manager.Remove(name); err != nil {
		return err
	}

	ctx, stop := context.WithTimeout(context.Background(), removeTimeout)
	defer stop()
	if _, err := s.manager.Barrier(ctx); err != nil {
		return fmt.Errorf("wait until systemd has closed the stored file: %w", err)
	}
	return nil
}

// removeAll empties the store, for a lock that has no GPIO lines.
func (s *fdStore) removeAll(log *zap.Logger) {
	for name := range s.files {
		err := s.Remove(name)
		log.Warn("releasing a stored line", zap.String("line", name), zap.Error(err))
	}
}
