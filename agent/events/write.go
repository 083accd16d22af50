package events

import (
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/durable"
)

// writeRetry is the delay before the log retries a failed write. A new event causes a
// retry earlier.
const writeRetry = 10 * time.Second

// writeTimeout is the time after which a write that has not ended counts as hanging.
const writeTimeout = 5 * time.Second

// file is the events file, opened for appending.
type file struct {
	durable.Appender // nil before the file was written for the first time
	size             int
}

// writeLoop writes pending lines until Close is called. No other goroutine uses the
// file.
func (l *Log) writeLoop() {
	defer close(l.ended)
	var f file
	defer func() {
		if f.Appender != nil {
			f.Close()
		}
	}()

	failed := false
	for open := true; open; {
		var retry <-chan time.Time
		if failed {
			retry = time.After(writeRetry)
		}
		select {
		case _, open = <-l.wake:
		case <-retry:
		}

		err := l.write(&f)
		switch {
		case err != nil && !failed:
			l.log.Error("cannot write the events file; events will be lost if the agent ends", zap.String("file", l.path), zap.Error(err))
		case err == nil && failed:
			l.log.Info("the events file can be written again", zap.String("file", l.path))
		}
		failed = err != nil
	}
}

// write appends the pending lines to the file. It syncs the file if the lines contain
// events. If the file is too large or the previous write failed, write replaces the
// whole file instead. Finally it wakes the sender and calls the callbacks of the written
// events.
func (l *Log) write(f *file) error {
	l.mu.Lock()
	lines, urgent := l.lines, l.urgent
	rewrite := l.rewrite || f.size+len(lines) > l.maxFile
	l.lines, l.urgent, l.rewrite = nil, false, false

	var whole []byte
	if rewrite {
		whole = l.content.text()
	}
	newest := l.content.next - 1
	l.writing = time.Now()
	waiters, _ := l.waiters.Last()
	l.mu.Unlock()
	hanging := time.AfterFunc(writeTimeout, func() { signal(l.added) })

	var err error
	if rewrite {
		err = f.replace(l.files, l.path, whole)
	} else {
		err = f.append(lines, urgent)
	}

	hanging.Stop()
	l.mu.Lock()
	l.writing, l.failed = time.Time{}, err != nil
	if err != nil {
		l.errors++
		l.lines, l.rewrite = nil, true
	} else {
		l.onDisk = newest
		l.renamed = l.renamed && l.rewrite // the name changed during the write
	}
	l.mu.Unlock()
	signal(l.added)
	l.waiters.Finish(waiters, err)
	return err
}

// append writes lines to the end of the file.
func (f *file) append(lines []byte, sync bool) error {
	if len(lines) == 0 {
		return nil
	}
	if _, err := f.Write(lines); err != nil {
		return err
	}
	f.size += len(lines)

	if !sync {
		return nil
	}
	return f.Sync()
}

// replace replaces the file at path by a new file that contains text, and opens the new
// file for appending.
func (f *file) replace(files durable.Files, path string, text []byte) error {
	if f.Appender != nil {
		f.Close()
		f.Appender = nil
	}
	if err := files.Replace(path, text, 0o600); err != nil {
		return err
	}

	opened, err := files.Append(path)
	if err != nil {
		return err
	}
	f.Appender, f.size = opened, len(text)
	return nil
}
