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
	// journalSocket is the path of the socket on which the journal receives entries in
	// its native protocol.
	journalSocket = "/run/systemd/journal/socket"
	// journalTimeout limits how long an entry waits for a busy journal. The main loop
	// writes log entries, too, so the limit is far below the watchdog's interval.
	journalTimeout = 100 * time.Millisecond
)

// IsJournal reports whether the file f, such as standard error, is connected to the
// journal. stream is the value of the environment variable JOURNAL_STREAM,
// "DEVICE:INODE". The variable alone proves nothing, because a process inherits it even
// if its output is redirected to a file.
func IsJournal(f *os.File, stream string) bool {
	var stat unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &stat) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// ErrorPrefix returns a prefix for a line of output. With this prefix, the journal
// records the line as an error. If w is not connected to the journal, the prefix is
// empty.
func ErrorPrefix(w io.Writer) string {
	if f, ok := w.(*os.File); ok && IsJournal(f, os.Getenv("JOURNAL_STREAM")) {
		return "<3>"
	}
	return ""
}

// journal sends log entries to systemd's journal in the native protocol. Any number of
// goroutines may use it.
type journal struct {
	path string // path of the journal's socket

	mu      sync.Mutex
	socket  socket
	stalled bool // the journal did not accept the last entry in time, so the next entry does not wait
	lost    int  // number of entries lost since the journal last accepted one
}

func openJournal(path string) (*journal, error) {
	s, err := openSocket(journalTimeout)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return &journal{path: path, socket: s}, nil
}

// write sends an entry to the journal. If the journal is busy, the first entry waits
// for up to journalTimeout. Further entries do not wait. Entries that the journal does
// not accept are lost and counted. The next entry that the journal accepts contains the
// count.
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
		// Return no error: zap would write it to standard error, which is connected to
		// the stalled journal.
		j.lost++
		return nil
	}
	j.lost++
	return fmt.Errorf("write to the journal: %w", err)
}

// sendFile sends the journal an entry that is too large for a datagram. It writes the
// entry to a sealed file in memory and passes the file to the journal.
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

// appendField appends a field to an encoded entry. A value of one line is written as
// "NAME=value\n". A value of several lines is written as NAME, a line feed, the value's
// length as 8 bytes in little-endian order, the value and a line feed. Source:
// systemd's documentation, Native Journal Protocol.
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

// maxFieldName is the maximum length of a field's name, in bytes.
const maxFieldName = 64

// fieldName converts a log key to the name of a journal field. The name consists of
// upper-case letters, digits and underscores: requestId and request_id both become
// REQUEST_ID. The prefix FIELD_ is added if every entry already has a field of that
// name, or if the journal refuses or reserves the name.
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
