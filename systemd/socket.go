package systemd

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a datagram socket without a fixed receiver: each message names its
// receiver. Messages therefore still arrive after the receiver has recreated its own
// socket. Messages can also carry open files, which Go's net package does not allow on
// connected sockets.
type socket int

// openSocket opens a datagram socket. timeout limits how long a message waits for space
// in the receiver's queue.
func openSocket(timeout time.Duration) (socket, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	limit := unix.NsecToTimeval(timeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return socket(fd), nil
}

// send sends one message with duplicates of the open files fds. The receiver is a path,
// or @ followed by the name of an abstract socket. The error is EAGAIN if the
// receiver's queue stays full until the timeout.
func (s socket) send(receiver string, message []byte, fds []int, flags int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(int(s), message, rights, &unix.SockaddrUnix{Name: receiver}, unix.MSG_NOSIGNAL|flags)
		if !errors.Is(err, unix.EINTR) { // try again: Go's runtime interrupts its own threads with signals
			return err
		}
	}
}

func (s socket) close() { unix.Close(int(s)) }
