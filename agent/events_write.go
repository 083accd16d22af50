package agent

import (
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/durable"
)

// eventsFile is the file that is appended to.
type eventsFile struct {
	*os.File
	lines int // negative: nobody knows what is in it, so it is written anew as a whole
}

// writeLoop owns the file.
func (e *Events) writeLoop() {
	defer close(e.ended)
	file := eventsFile{lines: -1}
	failing := false
	var sync <-chan time.Time // not nil: something is written and not synced
	for open := true; open; {
		select {
		case _, open = <-e.wake:
			err := e.write(&file)
			if err != nil && !failing {
				e.log.Error("the events are not on disk; they are lost if the agent ends", zap.String("file", e.path), zap.Error(err))
			}
			if failing = err != nil; sync == nil && !failing {
				sync = time.After(eventsSync)
			}
		case <-sync:
			sync = nil
			if err := file.Sync(); err != nil {
				e.log.Error("the events are not on disk; a power cut may lose them", zap.String("file", e.path), zap.Error(err))
			}
		}
	}
	if file.File != nil {
		file.Sync()
		file.Close()
	}
}

// write puts what is new into the file.
func (e *Events) write(file *eventsFile) error {
	e.mu.Lock()
	lines, count := e.lines, e.count
	e.lines, e.count = nil, 0
	anew := file.lines < 0 || file.lines+count > eventsRewrite*e.limit
	var whole []byte
	if anew {
		whole, count = e.events.text(), 1+len(e.events.queue)
	}
	e.mu.Unlock()

	err := file.put(e.path, lines, whole, anew)
	if err != nil {
		file.lines = -1
	} else if anew {
		file.lines = count
	} else {
		file.lines += count
	}
	return err
}

// put appends lines, or replaces the file by whole.
func (f *eventsFile) put(path string, lines, whole []byte, anew bool) error {
	if !anew {
		_, err := f.Write(lines)
		return err
	}
	if f.File != nil {
		f.Close()
		f.File = nil
	}
	if err := durable.Replace(path, whole, 0o600); err != nil {
		return err
	}
	file, err := openAppend(path)
	f.File = file
	return err
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
}
