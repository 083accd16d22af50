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
	journalSocket = "/run/systemd/journal/socket"
	// journalTimeout is how long an entry waits for a journal that does not
	// read. It is far below the watchdog's interval, as the main loop logs too.
	journalTimeout = 100 * time.Millisecond
)

// IsJournal reports whether f, such as standard error, is the stream to the
// journal that stream describes: JOURNAL_STREAM, by device and inode. A service
// whose output was redirected has the variable too, and no such stream.
func IsJournal(f *os.File, stream string) bool {
	var stat unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &stat) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// ErrorPrefix returns what a line to w begins with for the journal to keep it as
// an error; empty if w is not the stream to the journal.
func ErrorPrefix(w io.Writer) string {
	if f, ok := w.(*os.File); ok && IsJournal(f, os.Getenv("JOURNAL_STREAM")) {
		return "<3>"
	}
	return ""
}

// journal sends entries in the journal's native protocol. It is safe for
// concurrent use.
type journal struct {
	to string

	mu      sync.Mutex
	socket  socket
	stalled bool // the last entry found no room: the next does not wait
	lost    int  // entries since the last one that was taken
}

func openJournal(to string) (*journal, error) {
	s, err := openSocket(journalTimeout)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return &journal{to: to, socket: s}, nil
}

// write sends an entry. A journal that does not read costs journalTimeout once;
// from then on entries are counted and dropped until it reads again, and that
// many is a field of the first that it takes.
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
	err := j.socket.send(j.to, entry, nil, flags)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = j.sendFile(entry, flags)
	}
	j.stalled = errors.Is(err, unix.EAGAIN)
	switch {
	case err == nil:
		j.lost = 0
		return nil
	case j.stalled:
		j.lost++
		return nil // said by the next entry; standard error leads to the same journal
	}
	j.lost++
	return fmt.Errorf("write to the journal: %w", err)
}

// sendFile sends an entry that is too large for a message as a sealed file in
// memory, which the journal reads whole.
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
	return j.socket.send(j.to, nil, []int{fd}, flags)
}

// appendField appends a field of an entry: NAME=value in one line, or for a
// value of several lines NAME, its length in 8 bytes with the least significant
// first, and itself.
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

// maxFieldName is how long a field's name may be.
const maxFieldName = 64

// fieldName makes a field's name of a log key: upper-case letters, digits and
// underscores, so that requestId and request_id are both REQUEST_ID. A name that
// would be one of the entry's own, or that the journal refuses or keeps for
// itself, gets FIELD_ before it.
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
