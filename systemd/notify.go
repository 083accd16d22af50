package systemd

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Lines for Notify.
const (
	Ready    = daemon.SdNotifyReady    // the service has started, or has reloaded its configuration
	Stopping = daemon.SdNotifyStopping // the service begins to end
	Watchdog = daemon.SdNotifyWatchdog // the service lives; see Feed
)

// Status returns the line that 'systemctl status' shows as the service's state.
func Status(text string) string {
	return "STATUS=" + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' }), " ")
}

// Reloading returns the lines that say that the service begins to reload its
// configuration, now. Ready ends the reload.
func Reloading() string {
	return daemon.SdNotifyReloading + "\n" + strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n")
}

// notifyTimeout bounds how long a notification waits for room in the manager's
// queue. The manager reads it at once, unless it is being executed anew.
const notifyTimeout = 5 * time.Second

// Manager is the service manager that started the process. The zero Manager is
// none: all it is told goes nowhere.
//
// What tells it something returns one of three:
//   - false, nil: there is no manager to tell
//   - false, err: there is one, and it could not be told
//   - true, nil: it was sent; see Barrier for whether it was read
type Manager struct {
	// Socket is the path of the notification socket, or the name of an abstract
	// one with an @ before it.
	Socket string
}

// FromEnvironment returns the manager that NOTIFY_SOCKET names.
func FromEnvironment() Manager { return Manager{os.Getenv("NOTIFY_SOCKET")} }

// Notify sends the lines, such as Ready, in one message.
func (m Manager) Notify(lines ...string) (sent bool, err error) {
	return m.send(strings.Join(lines, "\n"))
}

// send sends a message with open files.
func (m Manager) send(message string, fds ...int) (sent bool, err error) {
	if m.Socket == "" {
		return false, nil
	}
	err = m.sendTo(message, fds)
	if err != nil {
		first, _, _ := strings.Cut(message, "=")
		return false, fmt.Errorf("tell systemd %s over the socket %s: %w", first, m.Socket, err)
	}
	return true, nil
}

func (m Manager) sendTo(message string, fds []int) error {
	if m.Socket[0] != '/' && m.Socket[0] != '@' {
		return errors.New("NOTIFY_SOCKET is neither a path nor an abstract name")
	}
	s, err := openSocket(notifyTimeout)
	if err != nil {
		return err
	}
	defer s.close()
	return s.send(m.Socket, []byte(message), fds, 0)
}
