package systemd

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a datagram socket that is bound and connected to nothing: each
// message names its receiver. So one that is made anew is reached, and open
// files can go along, which Go's net package refuses on a connected socket.
type socket int

// openSocket opens a socket whose sends wait for room for no longer than timeout.
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

// send sends one message with open files to the socket of that path, or of that
// abstract name after an @. EAGAIN says that there was no room in time.
func (s socket) send(to string, message []byte, fds []int, flags int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(int(s), message, rights, &unix.SockaddrUnix{Name: to}, unix.MSG_NOSIGNAL|flags)
		if !errors.Is(err, unix.EINTR) { // the runtime's own signals interrupt
			return err
		}
	}
}

func (s socket) close() { unix.Close(int(s)) }
