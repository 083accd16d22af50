package broker

import (
	"context"
	"time"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Backend is what the broker asks of the hub behind it: who may come in, twins,
// and all that must outlive a restart. Its methods are called from many links
// at once; a call may block on the disk, which holds up that one device only.
// The context ends when the broker is closed.
type Backend interface {
	// Login decides on a device's credentials. A nil error lets it in until
	// expires (the zero time: for good). An *iothub.Error with a status of 500
	// or more, or any other error, is a failure of the hub, which the device
	// is told to try again after; other *iothub.Errors are refusals.
	Login(ctx context.Context, login Login) (expires time.Time, err error)

	// Twin returns the device's view of its twin.
	Twin(ctx context.Context, deviceID string) (iothub.DeviceTwin, error)

	// Report lays patch over the reported properties and returns their new
	// version once it is durable. An *iothub.Error with status 400, 413 or 429
	// goes to the device as it is; every other error becomes a 500.
	Report(ctx context.Context, deviceID string, patch iothub.Object) (version int64, err error)

	// Event takes in a device-to-cloud message. The device is told that the
	// message has arrived when Event has returned nil; on an error its link is
	// closed, so that it sends again.
	Event(ctx context.Context, deviceID string, bag iothub.Bag, payload []byte) error

	// Connection is told when a link is up and when it is gone, in turn for
	// each device. It must not block. It must not call back into the broker.
	Connection(deviceID string, connected bool, modelID string)

	// SaveSession keeps the subscriptions (filter to QoS) of a client that
	// connected with CleanSession=0; it has returned before they are acknowledged.
	SaveSession(ctx context.Context, clientID string, subscriptions map[string]byte) error

	// DeleteSession removes what SaveSession kept. An unknown client is no error.
	DeleteSession(ctx context.Context, clientID string) error

	// Sessions returns all that is kept, by client id.
	Sessions(ctx context.Context) (map[string]map[string]byte, error)
}

// Login is what a device presents when it connects. The client id and the user
// name are known to name the same device; nothing else is checked yet.
type Login struct {
	User     iothub.UserName
	ClientID string
	Password string       // shared access signature; empty with a certificate
	Shown    access.Shown // the client's certificates of the TLS session, not verified by the broker
}
