package broker

import (
	"context"
	"time"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Backend is the part of the hub that the broker calls: it decides on logins and
// stores twins, events and sessions. Many connections call its methods
// concurrently. A method may block on the disk, which delays only the device it
// was called for. The context of a call ends when the broker is closed.
type Backend interface {
	// Login checks a device's credentials. A nil error admits the device until
	// expires; a zero expires means that the login does not expire. An
	// *iothub.Error with a status below 500 refuses the device. Any other error is
	// a failure of the hub, and the device is told to try again later.
	Login(ctx context.Context, login Login) (expires time.Time, err error)

	// Twin returns the device's view of its twin.
	Twin(ctx context.Context, deviceID string) (iothub.DeviceTwin, error)

	// Report merges patch into the reported properties and returns their new
	// version after it is durable. An *iothub.Error with status 400, 413 or 429
	// is sent to the device unchanged; every other error becomes status 500.
	Report(ctx context.Context, deviceID string, patch iothub.Object) (version int64, err error)

	// Event receives a device-to-cloud message. The broker acknowledges the
	// message when Event returns nil. On an error the broker closes the
	// connection, so that the device sends the message again.
	Event(ctx context.Context, deviceID string, bag iothub.Bag, payload []byte) error

	// Connection reports that a device has connected or disconnected. For each
	// device the two alternate. Connection must not block and must not call the
	// broker.
	Connection(deviceID string, connected bool, modelID string)

	// SaveSession stores the subscriptions (filter to QoS) of a client that
	// connected with CleanSession=0. The broker acknowledges the subscriptions
	// after SaveSession has returned.
	SaveSession(ctx context.Context, clientID string, subscriptions map[string]byte) error

	// DeleteSession removes the subscriptions that SaveSession stored. An unknown
	// client id is not an error.
	DeleteSession(ctx context.Context, clientID string) error

	// Sessions returns all stored subscriptions by client id.
	Sessions(ctx context.Context) (map[string]map[string]byte, error)
}

// Login holds the credentials of a connecting device. The broker has checked only
// that the client id and the user name name the same device.
type Login struct {
	User     iothub.UserName
	ClientID string
	Password string       // shared access signature; empty if the device shows a certificate
	Chain    access.Chain // client certificates of the TLS session; the broker does not verify them
}
