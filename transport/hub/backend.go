package hub

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/hub/broker"
	"github.com/latchd/latchd/transport/hub/feed"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// backend is what stands behind the device front. A login costs one read of the
// store and one signature; nothing is written for it.
type backend struct {
	access access.Hub
	store  *store.Store
	now    func() time.Time
	log    *zap.Logger

	metrics  *metrics
	feed     *feed.Feed
	throttle *throttle.Throttle // nil: nothing is throttled
}

// Login decides on a device's credentials.
func (b *backend) Login(ctx context.Context, login broker.Login) (time.Time, error) {
	expires, err := b.decide(ctx, login)
	if err == nil {
		// Only now: whoever is not let in uses up nobody's logins.
		err = b.throttle.Take(throttle.Connections, 1)
	}
	if err != nil {
		b.metrics.refused.Add(1)
	} else {
		b.metrics.accepted.Add(1)
	}
	return expires, err
}

func (b *backend) decide(ctx context.Context, login broker.Login) (time.Time, error) {
	user := login.User
	switch {
	case !b.access.Named(user.HostName):
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "the user name is for the host %q, this hub is %q", user.HostName, b.access.HostName)
	case user.ClientID() != login.ClientID:
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "client id and user name name different devices")
	case user.ModuleID != "":
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "this hub has no modules, log in as the device")
	case login.Password == "" && login.Shown.Leaf == nil:
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "the device gives neither a token nor a certificate")
	}
	identity, err := b.store.Device(ctx, user.DeviceID)
	if errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotFound}) {
		return time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "there is no device %q", user.DeviceID)
	}
	if err != nil {
		return time.Time{}, err
	}
	if login.Password != "" {
		return b.access.Device(login.Password, identity, b.now())
	}
	authorities, err := b.authorities(ctx, identity)
	if err != nil {
		return time.Time{}, err
	}
	return access.Certificate(login.Shown, authorities, identity, b.now())
}

// authorities are those that may vouch for the device.
func (b *backend) authorities(ctx context.Context, identity iothub.DeviceIdentity) ([]*x509.Certificate, error) {
	if identity.Authentication.Type != "certificateAuthority" {
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

// Twin returns the device's view of its twin.
func (b *backend) Twin(ctx context.Context, deviceID string) (iothub.DeviceTwin, error) {
	if err := b.throttle.Take(throttle.TwinReads, 1); err != nil {
		return iothub.DeviceTwin{}, err
	}
	return b.store.DeviceTwin(ctx, deviceID)
}

// Report lays a patch over the reported properties.
func (b *backend) Report(ctx context.Context, deviceID string, patch iothub.Object) (int64, error) {
	if err := b.throttle.Take(throttle.TwinUpdates, 1); err != nil {
		return 0, err
	}
	return b.store.Report(ctx, deviceID, patch)
}

// Event takes a device-to-cloud message, for those who listen.
func (b *backend) Event(ctx context.Context, deviceID string, bag iothub.Bag, payload []byte) error {
	wait, err := b.throttle.Delay(throttle.Events)
	if err != nil {
		return err
	}
	if wait > 0 { // it holds up this device alone
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.log.Debug("event", zap.String("device", deviceID), zap.Int("properties", len(bag)), zap.Int("bytes", len(payload)))
	b.metrics.events.Add(1)
	b.feed.Telemetry(deviceID, bag, payload)
	return nil
}

// Connection notes that a link is up or gone.
func (b *backend) Connection(deviceID string, connected bool, modelID string) {
	b.store.SetConnection(deviceID, connected, modelID, b.now())
}

// SaveSession keeps the subscriptions of a session that is not clean.
func (b *backend) SaveSession(ctx context.Context, clientID string, subscriptions map[string]byte) error {
	return b.store.SaveSession(ctx, store.Session{ClientID: clientID, Subscriptions: subscriptions})
}

// DeleteSession drops them.
func (b *backend) DeleteSession(ctx context.Context, clientID string) error {
	return b.store.DeleteSession(ctx, clientID)
}

// Sessions returns all that is kept.
func (b *backend) Sessions(ctx context.Context) (map[string]map[string]byte, error) {
	sessions, err := b.store.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]byte, len(sessions))
	for _, s := range sessions {
		all[s.ClientID] = s.Subscriptions
	}
	return all, nil
}
