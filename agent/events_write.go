package agent

import (
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/durable"
)

// eventsFile is the open events file.
type eventsFile struct {
	*os.File
	lines int // number of lines in the file; negative forces a rewrite of the whole file
}

// writeLoop writes pending lines to the events file until Close is called. No other
// goroutine uses the file.
func (e *Events) writeLoop() {
	defer close(e.ended)
	file := eventsFile{lines: -1}
	failing := false
	var sync <-chan time.Time // nil while nothing is written but not synced

	for open := true; open; {
		select {
		case _, open = <-e.wake:
			err := e.write(&file)
			if err != nil && !failing {
				e.log.Error("cannot write the events file; events will be lost if the agent ends", zap.String("file", e.path), zap.Error(err))
			}
			if failing = err != nil; sync == nil && !failing {
				sync = time.After(eventsSync)
			}

		case <-sync:
			sync = nil
			if err := file.Sync(); err != nil {
				e.log.Error("cannot sync the events file; a power cut may lose events", zap.String("file", e.path), zap.Error(err))
			}
		}
	}

	if file.File != nil {
		file.Sync()
		file.Close()
	}
}

// write appends the pending lines to the file. If the file has grown beyond its
// bound, or the previous write failed, write replaces the whole file.
func (e *Events) write(file *eventsFile) error {
	e.mu.Lock()
	lines, count := e.lines, e.count
	e.lines, e.count = nil, 0
	var whole []byte
	rewrite := file.lines < 0 || file.lines+count > eventsRewrite*e.limit
	if rewrite {
		whole, count = e.content.text(), 1+len(e.content.queue)
	}
	e.mu.Unlock()

	if !rewrite {
		if _, err := file.Write(lines); err != nil {
			file.lines = -1
			return err
		}
		file.lines += count
		return nil
	}

	if err := file.replace(e.path, whole); err != nil {
		file.lines = -1
		return err
	}
	file.lines = count
	return nil
}

// replace writes text as the new content of the file at path, and opens it for
// appending.
func (f *eventsFile) replace(path string, text []byte) error {
	if f.File != nil {
		f.Close()
		f.File = nil
	}
	if err := durable.Replace(path, text, 0o600); err != nil {
		return err
	}

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	f.File = file
	return err
}
