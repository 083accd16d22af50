package systemd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Lines to send with [Manager.Notify].
const (
	Ready    = daemon.SdNotifyReady    // the service has started, or has reloaded its configuration
	Stopping = daemon.SdNotifyStopping // the service is shutting down
	Watchdog = daemon.SdNotifyWatchdog // the service is working; Feed sends this line
)

// Status returns a notification line that sets the service's status text. 'systemctl
// status' shows this text on a terminal, so Status replaces unprintable characters by
// spaces.
func Status(text string) string {
	return "STATUS=" + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
}

// Reloading returns the notification lines that announce that the service now reloads
// its configuration. Send Ready at the end of the reload.
func Reloading() string {
	return daemon.SdNotifyReloading + "\n" + strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n")
}

// notifyTimeout limits how long a notification waits for space in systemd's queue.
// systemd empties the queue immediately, except while it re-executes itself.
const notifyTimeout = 5 * time.Second

// Manager is the service manager that started the process. The zero Manager stands for
// a process without a service manager; its methods do nothing.
//
// The methods return one of three results:
//   - false, nil: there is no service manager
//   - false, err: there is a service manager, but the message could not be sent
//   - true, nil: the message was sent; use Barrier to wait until systemd has processed
//     it
type Manager struct {
	// Socket is the path of the notification socket, or @ followed by the name of an
	// abstract socket.
	Socket string
}

// FromEnvironment returns the service manager whose socket the environment variable
// NOTIFY_SOCKET names.
func FromEnvironment() Manager { return Manager{os.Getenv("NOTIFY_SOCKET")} }

// Notify sends the lines, such as Ready, to the service manager in one message.
func (m Manager) Notify(lines ...string) (sent bool, err error) {
	return m.send(strings.Join(lines, "\n"))
}

// send sends a message and duplicates of the open files fds to the service manager.
func (m Manager) send(message string, fds ...int) (sent bool, err error) {
	if m.Socket == "" {
		return false, nil
	}
	err = m.sendTo(message, fds)
	if err != nil {
		variable, _, _ := strings.Cut(message, "=")
		return false, fmt.Errorf("notify systemd of %s through the socket %s: %w", variable, m.Socket, err)
	}
	return true, nil
}

func (m Manager) sendTo(message string, fds []int) error {
	if m.Socket[0] != '/' && m.Socket[0] != '@' {
		return errors.New("NOTIFY_SOCKET must be an absolute path, or @ and the name of an abstract socket")
	}
	s, err := openSocket(notifyTimeout)
	if err != nil {
		return err
	}
	defer s.close()
	return s.send(m.Socket, []byte(message), fds, 0)
}
