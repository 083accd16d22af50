package events

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/durable"
)

// testDisk is a file system with an empty events file. The test decides when and how a
// write ends.
type testDisk struct {
	writes  chan []byte // receives the text of each write
	results chan error  // the result of each write
}

func newTestDisk() testDisk { return testDisk{make(chan []byte), make(chan error)} }

func (d testDisk) ReadFile(path string) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func (d testDisk) Replace(_ string, content []byte, _ os.FileMode) error {
	_, err := d.Write(content)
	return err
}

func (d testDisk) Append(string) (durable.Appender, error) { return d, nil }

func (d testDisk) SetAside(string) (string, error) { return "", errors.New("not expected") }

func (d testDisk) Write(p []byte) (int, error) {
	d.writes <- p
	return len(p), <-d.results
}

func (d testDisk) Sync() error  { return nil }
func (d testDisk) Close() error { return nil }

// write waits for the next write and ends it with err.
func (d testDisk) write(err error) {
	<-d.writes
	d.results <- err
	synctest.Wait()
}

// The hub must not receive an event before it is on disk: after a power cut, the next
// process gives its number to another event, and the receiver takes that for a
// repetition.
func TestNextWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newTestDisk()
		l := OpenOn(disk, "state", limits(10), zap.NewNop())
		disk.write(nil) // the empty file
		store := l.Store()

		l.put("forced")
		<-disk.writes
		if e, ok := l.Next(); ok {
			t.Errorf("event %d was handed out during its write", e.Seq)
		}
		<-l.Added()
		disk.results <- nil
		<-l.Added()
		if e, ok := l.Next(); !ok || e.Kind != "forced" || l.Store() != store {
			t.Errorf("after the write: %+v, %t, store %s, want forced of %s", e, ok, l.Store(), store)
		}
		l.Close()
	})
}

// A disk that fails or hangs does not hold back an alarm. The hub gets it with the name
// of a new store, because the number may be used again.
func TestNextWithoutTheDisk(t *testing.T) {
	for name, fail := range map[string]func(testDisk){
		"a write fails": func(d testDisk) { d.write(errors.New("no space left on device")) },
		"a write hangs": func(d testDisk) { <-d.writes; time.Sleep(writeTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := newTestDisk()
				l := OpenOn(disk, "state", limits(10), zap.NewNop())
				disk.write(nil)
				store := l.Store()

				l.put("forced")
				<-l.Added()
				fail(disk)
				<-l.Added()
				e, ok := l.Next()
				renamed := l.Store()
				if !ok || e.Kind != "forced" || renamed == store {
					t.Errorf("next is %+v, %t, in store %s, want forced in a new store", e, ok, renamed)
				}
				if _, ok := l.Next(); !ok || l.Store() != renamed {
					t.Errorf("the store has another new name: %s, then %s", renamed, l.Store())
				}

				// The disk works again. The file gets the name of the new store.
				if name == "a write hangs" {
					disk.results <- nil
				}
				text := <-disk.writes
				disk.results <- nil
				if c, _, err := parse(text, DefaultLimits); err != nil || c.store != renamed {
					t.Errorf("the file has store %s, %v, want %s", c.store, err, renamed)
				}
				synctest.Wait()
				if _, ok := l.Next(); !ok || l.Store() != renamed {
					t.Errorf("the store of the disk that works again is %s, want %s", l.Store(), renamed)
				}
				l.Close()
			})
		})
	}
}
