package broker

import (
	"context"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

// Backend is the part of the hub that the broker calls. It decides on logins, and it
// stores twins, events and sessions.
//
// The broker calls its methods concurrently. A slow method delays only the device for
// which it was called. The context of each call ends when the broker is closed.
type Backend interface {
	// Login checks a device's credentials. It returns the time at which the login
	// expires; the zero time means never. An *iothub.Error with a status below 500
	// refuses the device. Any other error means that the hub failed, and the device is
	// told to try again later.
	Login(ctx context.Context, login Login) (expires time.Time, err error)

	// Twin returns a device's twin in the form for the device: with $version, but
	// without tags and metadata.
	Twin(ctx context.Context, deviceID string) (iothub.DeviceTwin, error)

	// Report merges patch into the device's reported properties. When the change is
	// durable, Report returns the new version of these properties. If ifVersion is not 0
	// and not the current version, Report fails with PreconditionFailed. The device
	// receives an *iothub.Error with status 400, 412, 413 or 429 unchanged, and any other
	// error as status 500.
	Report(ctx context.Context, deviceID string, patch iothub.Object, ifVersion int64) (version int64, err error)

	// Event receives a device-to-cloud message. If Event returns nil, the broker
	// acknowledges the message to the device. If it returns an error, the broker closes
	// the connection, so that the device sends the message again.
	Event(ctx context.Context, deviceID string, bag iothub.Bag, payload []byte) error

	// Connection reports that a device has connected or disconnected. For each device,
	// connects and disconnects alternate. Connection must not block and must not call
	// the broker.
	Connection(deviceID string, connected bool, modelID string)

	// SaveSession stores the subscriptions of a client that connected with
	// CleanSession=0, as a map from topic filter to QoS. The broker acknowledges the
	// subscriptions to the client only after SaveSession has returned.
	SaveSession(ctx context.Context, clientID string, subscriptions map[string]byte) error

	// DeleteSession removes the subscriptions that SaveSession stored. An unknown
	// client id is not an error.
	DeleteSession(ctx context.Context, clientID string) error

	// Sessions returns all stored subscriptions: a map from client id to topic filter to
	// QoS.
	Sessions(ctx context.Context) (map[string]map[string]byte, error)
}

// Login holds the credentials of a connecting device. The broker has checked only that
// the client id and the user name belong to the same device.
type Login struct {
	User     iothub.UserName
	ClientID string
	Password string       // shared access signature; empty if the device logs in with a certificate
	Chain    access.Chain // client certificates of the TLS session, which the broker has not verified
}
