package simulation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
)

const (
	hubName      = "hub.sim"
	mqttAddress  = hubName + ":8883"
	httpsAddress = hubName + ":443"
)

// site is the hub's computer. It survives the hub's processes.
type site struct {
	world    *world
	root     string // directory of the data directories
	clockOff atomic.Int64
	busy     chan struct{} // held while a process ends and the next one starts
	crashes  int

	dir         atomic.Pointer[string] // data directory of the present process
	generation  int
	maxDatabase int64
	end         context.CancelFunc
	ended       chan error
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.clockOff.Load())) }

// directory returns the data directory of the present process.
func (s *site) directory() string { return *s.dir.Load() }

// start starts the hub in the data directory dir and waits until it is ready.
func (s *site) start(dir string) error {
	s.dir.Store(&dir)
	s.end, s.ended = func() {}, nil
	ctx, end := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	opts := hub.Options{
		DataDir: dir, MQTTAddr: mqttAddress, HTTPSAddr: httpsAddress, Name: hubName,
		Logger: s.world.log.Named("hub"), Now: s.now, Listen: s.world.network.listen, MaxDatabase: s.maxDatabase,
		Ready: func(hub.Addresses) { close(ready) },
	}
	go func() { ended <- hub.Run(ctx, opts) }()
	select {
	case <-ready:
	case err := <-ended:
		end()
		return fmt.Errorf("start the hub: %w", err)
	}
	s.end, s.ended = end, ended
	return nil
}

// stop ends the hub in an orderly way.
func (s *site) stop() error {
	s.end()
	if s.ended == nil { // the hub did not start
		return nil
	}
	return <-s.ended
}

// killAfter ends the hub as SIGKILL does, at its n-th write to a client from now on or
// after a minute. It returns a data directory with what was on the disk at that moment.
func (s *site) killAfter(n int64) (string, error) {
	copied, failed := make(chan string, 1), make(chan error, 1)
	var left atomic.Int64
	left.Store(n)
	kill := func() {
		if left.Add(-1) != 0 {
			return
		}
		s.world.network.setOnWrite(nil)
		dir, err := s.copyData()
		s.world.network.cutAll()
		if err != nil {
			failed <- err
			return
		}
		copied <- dir
	}
	s.world.network.setOnWrite(kill)

	var dir string
	var err error
	select {
	case dir = <-copied:
	case err = <-failed:
	case <-time.After(time.Minute): // no client is connected
		left.Store(1)
		kill()
		select {
		case dir = <-copied:
		case err = <-failed:
		}
	}

	s.stop() // the error of a hub whose listeners are gone is of no interest
	return dir, errors.Join(err, os.RemoveAll(s.directory()))
}

// copyData copies the data directory while the hub may be writing to it.
func (s *site) copyData() (string, error) {
	s.generation++
	to := filepath.Join(s.root, fmt.Sprint("hub-", s.generation))
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(s.directory())
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		switch e.Name() {
		case "lock", "hub.db", "hub.db-wal", "hub.db-shm":
			continue
		}
		if err := copyFile(filepath.Join(s.directory(), e.Name()), filepath.Join(to, e.Name())); err != nil {
			return "", err
		}
	}
	database := filepath.Join(to, "hub.db")
	return to, errors.Join(copyDatabase(filepath.Join(s.directory(), "hub.db"), database), s.world.bugs.breakCopy(database))
}

// copyDatabase copies an SQLite database and its write-ahead log. If SQLite starts a
// new log between the two copies, they do not match, and copyDatabase repeats them. It
// notices a new log by the random number in the log's header.
func copyDatabase(from, to string) error {
	for {
		before, err := walHeader(from)
		if err != nil {
			return err
		}
		if err := errors.Join(copyFile(from, to), copyFile(from+"-wal", to+"-wal")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		after, err := walHeader(from)
		if err != nil || bytes.Equal(before, after) {
			return err
		}
	}
}

func walHeader(db string) ([]byte, error) {
	f, err := os.Open(db + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header := make([]byte, 32)
	n, _ := f.ReadAt(header, 0)
	return header[:n], nil
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// owner returns the owner's access to the hub and the CA that signed its certificate.
func (s *site) owner() (iothub.Service, *x509.CertPool, error) {
	text, err := os.ReadFile(filepath.Join(s.directory(), "service.connection-string"))
	if err != nil {
		return iothub.Service{}, nil, err
	}
	service, err := iothub.ParseService(string(bytes.TrimSpace(text)))
	if err != nil {
		return iothub.Service{}, nil, err
	}
	ca, err := os.ReadFile(filepath.Join(s.directory(), "ca.pem"))
	if err != nil {
		return iothub.Service{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return service, roots, nil
}
