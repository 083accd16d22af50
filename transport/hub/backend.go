package hub

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// backend connects the broker to the hub's store: it checks logins, and it reads and
// writes twins and sessions. A login reads the store once, checks one signature and
// writes nothing, except for the first login of an invited device.
type backend struct {
	access access.Checker
	store  *store.Store
	now    func() time.Time
	log    *zap.Logger

	metrics  *metrics
	feed     *feed.Feed
	throttle *throttle.Throttle // nil means no limits
}

// Login accepts or refuses a device's login. For an accepted login it returns the time
// at which the login expires.
func (b *backend) Login(ctx context.Context, login broker.Login) (time.Time, error) {
	expires, err := b.checkLogin(ctx, login)
	if err == nil {
		// Only accepted logins count against the limit. Otherwise strangers could use
		// up the limit with wrong credentials.
		err = b.throttle.Take(throttle.Connections, 1)
	}

	if err != nil {
		b.metrics.refusedLogins.Add(1)
	} else {
		b.metrics.acceptedLogins.Add(1)
	}
	return expires, err
}

// checkLogin checks the device's user name and its token or certificate.
func (b *backend) checkLogin(ctx context.Context, login broker.Login) (time.Time, error) {
	user := login.User
	switch {
	case !b.access.IsHost(user.HostName):
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "the user name is for another host; this hub is %q", b.access.HostName)
	case user.ClientID() != login.ClientID:
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "the client id and the user name belong to different devices")
	case user.ModuleID != "":
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "this hub does not support modules, log in as the device")
	case login.Password == "" && login.Chain.Leaf == nil:
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "the device sent neither a token nor a certificate")
	}

	identity, invited, err := b.store.LoginDevice(ctx, user.DeviceID)
	if errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotFound}) {
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "there is no device %q", user.DeviceID)
	}
	if err != nil {
		return time.Time{}, err
	}

	if login.Password != "" {
		expires, err := b.access.CheckDevice(login.Password, identity, b.now())
		if err == nil && invited && access.SignedByDevice(login.Password) {
			err = b.redeem(ctx, identity)
		}
		return expires, err
	}
	authorities, err := b.authorities(ctx, identity)
	if err != nil {
		return time.Time{}, err
	}
	return access.CheckCertificate(login.Chain, authorities, identity, b.now())
}

// redeem ends the invitation of a device that logs in with its new key for the first time.
// Until the end is on disk, the login is not accepted.
func (b *backend) redeem(ctx context.Context, identity iothub.DeviceIdentity) error {
	if err := b.store.Redeem(ctx, identity); err != nil {
		return err
	}
	b.log.Info("the invitation has been used", zap.String("device_id", identity.DeviceID))
	return nil
}

// authorities returns the CA certificates with which the device's certificate is
// checked. The result is empty if the device logs in with a key or a thumbprint.
func (b *backend) authorities(ctx context.Context, identity iothub.DeviceIdentity) ([]*x509.Certificate, error) {
	if identity.Authentication.Type != iothub.AuthAuthority {
		return nil, nil
	}

	stored, err := b.store.Authorities(ctx)
	if err != nil {
		return nil, err
	}

	var certificates []*x509.Certificate
	for _, authority := range stored {
		certificates = append(certificates, authority.Certificate)
	}
	return certificates, nil
}

// Twin returns a device's twin in the form for the device: with $version, but without
// tags and metadata.
func (b *backend) Twin(ctx context.Context, deviceID string) (iothub.DeviceTwin, error) {
	if err := b.throttle.Take(throttle.TwinReads, 1); err != nil {
		return iothub.DeviceTwin{}, err
	}
	return b.store.DeviceTwin(ctx, deviceID)
}

// Report merges a patch into a device's reported properties and returns the new version
// of the reported properties. If ifVersion is not 0, it must be their current version.
func (b *backend) Report(ctx context.Context, deviceID string, patch iothub.Object, ifVersion int64) (int64, error) {
	if err := b.throttle.Take(throttle.TwinUpdates, 1); err != nil {
		return 0, err
	}
	return b.store.Report(ctx, deviceID, patch, ifVersion)
}

// Event passes a device-to-cloud message to the clients that listen to events now. If
// the device exceeds the tier's rate, Event delays the message; messages of other
// devices are not delayed.
func (b *backend) Event(ctx context.Context, deviceID string, bag iothub.Bag, payload []byte) error {
	delay, err := b.throttle.Delay(throttle.Events)
	if err != nil {
		return err
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}

	b.log.Debug("device-to-cloud message", zap.String("device_id", deviceID), zap.Int("properties", len(bag)), zap.Int("bytes", len(payload)))
	b.metrics.messages.Add(1)
	b.feed.Telemetry(deviceID, bag, payload)
	return nil
}

// Connection records that a device has connected or disconnected.
func (b *backend) Connection(deviceID string, connected bool, modelID string) {
	b.store.SetConnection(deviceID, connected, modelID, b.now())
}

// SaveSession stores the subscriptions of a persistent MQTT session.
func (b *backend) SaveSession(ctx context.Context, clientID string, subscriptions map[string]byte) error {
	return b.store.SaveSession(ctx, store.Session{ClientID: clientID, Subscriptions: subscriptions})
}

// DeleteSession deletes a stored MQTT session.
func (b *backend) DeleteSession(ctx context.Context, clientID string) error {
	return b.store.DeleteSession(ctx, clientID)
}

// Sessions returns the subscriptions of all stored MQTT sessions: a map from client id
// to topic filter to QoS.
func (b *backend) Sessions(ctx context.Context) (map[string]map[string]byte, error) {
	sessions, err := b.store.Sessions(ctx)
	if err != nil {
		return nil, err
	}

	subscriptions := make(map[string]map[string]byte, len(sessions))
	for _, s := range sessions {
		subscriptions[s.ClientID] = s.Subscriptions
	}
	return subscriptions, nil
}
