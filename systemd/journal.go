package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// journalSocket is the socket on which the journal receives native entries.
	journalSocket = "/run/systemd/journal/socket"
	// journalTimeout bounds how long an entry waits for a busy journal. The main
	// loop logs, too, so the bound is far below the watchdog's interval.
	journalTimeout = 100 * time.Millisecond
)

// IsJournal reports whether f, such as standard error, is connected to the journal.
// stream is the value of JOURNAL_STREAM, "DEVICE:INODE". The variable alone is no
// proof, because a service inherits it even if its output was redirected to a file.
func IsJournal(f *os.File, stream string) bool {
	var stat unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &stat) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// ErrorPrefix returns the prefix that makes the journal record a line as an error. If
// w is not connected to the journal, the prefix is empty.
func ErrorPrefix(w io.Writer) string {
	if f, ok := w.(*os.File); ok && IsJournal(f, os.Getenv("JOURNAL_STREAM")) {
		return "<3>"
	}
	return ""
}

// journal sends log entries in the journal's native protocol. It is safe for
// concurrent use.
type journal struct {
	path string // of the journal's socket

	mu      sync.Mutex
	socket  socket
	stalled bool // the journal did not read the last entry in time, so the next one does not wait
	lost    int  // the number of entries lost since the journal last accepted one
}

func openJournal(path string) (*journal, error) {
	s, err := openSocket(journalTimeout)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return &journal{path: path, socket: s}, nil
}

// write sends an entry. If the journal does not read, write waits once, for
// journalTimeout; after that it drops entries without waiting and counts them. The
// first entry that the journal accepts again has the count as a field.
func (j *journal) write(entry []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()

	if j.lost > 0 {
		entry = appendField(entry, "LOST_ENTRIES", fmt.Sprint(j.lost))
	}
	flags := 0
	if j.stalled {
		flags = unix.MSG_DONTWAIT
	}

	err := j.socket.send(j.path, entry, nil, flags)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = j.sendFile(entry, flags)
	}

	j.stalled = errors.Is(err, unix.EAGAIN)
	switch {
	case err == nil:
		j.lost = 0
		return nil
	case j.stalled:
		// No error: zap would write it to standard error, which leads to the journal.
		j.lost++
		return nil
	}
	j.lost++
	return fmt.Errorf("write to the journal: %w", err)
}

// sendFile sends an entry that is too large for a datagram. The entry goes into a
// sealed memory file, and the journal receives the file.
func (j *journal) sendFile(entry []byte, flags int) error {
	fd, err := unix.MemfdCreate("journal-entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "journal-entry")
	defer f.Close()

	if _, err := f.Write(entry); err != nil {
		return err
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return j.socket.send(j.path, nil, []int{fd}, flags)
}

// appendField appends a field to an entry. A value of one line becomes "NAME=value\n".
// A value of several lines becomes NAME, a line feed, the value's length as 8 bytes in
// little-endian order, the value and a line feed.
// Source: systemd's documentation, Native Journal Protocol.
func appendField(entry []byte, name, value string) []byte {
	entry = append(entry, name...)
	if strings.Contains(value, "\n") {
		entry = append(entry, '\n')
		entry = binary.LittleEndian.AppendUint64(entry, uint64(len(value)))
	} else {
		entry = append(entry, '=')
	}
	return append(append(entry, value...), '\n')
}

// maxFieldName is the maximum length of a field's name in bytes.
const maxFieldName = 64

// fieldName converts a log key to the name of a journal field, in upper-case letters,
// digits and underscores: both requestId and request_id become REQUEST_ID. It adds the
// prefix FIELD_ to names that entries already use and to names that the journal
// refuses or reserves.
func fieldName(key string) string {
	name := make([]byte, 0, len(key)+8)
	for i, c := range []byte(key) {
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c >= 'A' && c <= 'Z':
			if i > 0 && key[i-1] >= 'a' && key[i-1] <= 'z' {
				name = append(name, '_')
			}
		case c >= '0' && c <= '9':
		default:
			c = '_'
		}
		name = append(name, c)
	}

	switch s := string(name); {
	case s == "", s[0] == '_', s[0] >= '0' && s[0] <= '9',
		s == "MESSAGE", s == "PRIORITY", s == "LOGGER", s == "STACK", s == "LOST_ENTRIES", strings.HasPrefix(s, "SYSLOG_"):
		name = append([]byte("FIELD_"), name...)
	}
	return string(name[:min(len(name), maxFieldName)])
}
