package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// server simulates systemd or the journal. A test reads the messages that the package
// sends to the server's socket.
type server struct {
	t    *testing.T
	conn *net.UnixConn
	name string // a path, or @ followed by an abstract name
}

// serve starts a server whose socket has a path or an abstract name.
func serve(t *testing.T, abstract bool) *server {
	t.Helper()
	name := filepath.Join(t.TempDir(), "socket")
	if abstract {
		name = fmt.Sprintf("@latchd-test-%d-%s", os.Getpid(), t.Name())
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &server{t, conn, name}
}

// next waits for the next message. It returns the message and the open files in it.
func (s *server) next() (string, []*os.File) {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(time.Minute))
	message := make([]byte, 64<<10)
	rights := make([]byte, unix.CmsgSpace(4*4))
	n, rightsN, _, _, err := s.conn.ReadMsgUnix(message, rights)
	if err != nil {
		s.t.Fatal(err)
	}

	parts, err := unix.ParseSocketControlMessage(rights[:rightsN])
	if err != nil {
		s.t.Fatal(err)
	}
	var files []*os.File
	for _, part := range parts {
		fds, err := unix.ParseUnixRights(&part)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "received")
			s.t.Cleanup(func() { f.Close() })
			files = append(files, f)
		}
	}
	return string(message[:n]), files
}

// expect checks that the next message equals want. It returns the open files in the
// message.
func (s *server) expect(want string) []*os.File {
	s.t.Helper()
	got, files := s.next()
	if got != want {
		s.t.Errorf("received %q, want %q", got, want)
	}
	return files
}
