package enroll

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/provisioning"
	"github.com/latchd/latchd/transport/trust"
)

// Register registers the door at its hub with the one-time key of the code. It returns the
// door's login with its new key. proxy may be nil.
func Register(ctx context.Context, door invitation.Door, proxy *url.URL, productInfo string) (iothub.Device, error) {
	roots := x509.NewCertPool()
	roots.AddCert(door.CA)
	a, err := provisioning.Register(ctx, provisioning.Options{
		Endpoint: door.Hub, IDScope: door.IDScope, RegistrationID: door.RegistrationID, Key: door.Key,
		RootCAs: trust.Pool(roots), Proxy: proxy, ProductInfo: productInfo,
	})
	if refusal, ok := errors.AsType[*provisioning.Error](err); ok && refusal.Reason == provisioning.Unauthorized {
		return iothub.Device{}, fmt.Errorf("the hub %s does not accept the code: it has been used or replaced, or it has expired (it was valid until %s; this computer's clock says %s); "+
			"if nobody of yours has used it, somebody else has the door's identity: get a new code with 'latchhub invite door %s --replace'",
			door.Hub, door.Expires.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339), door.RegistrationID)
	}
	if err != nil {
		return iothub.Device{}, fmt.Errorf("register the door %s: %w", door.RegistrationID, err)
	}

	var payload struct{ DeviceKey string }
	err = json.Unmarshal(a.Payload, &payload)
	key, keyErr := iothub.ParseKey(payload.DeviceKey)
	if err != nil || keyErr != nil || len(key) < 16 {
		return iothub.Device{}, fmt.Errorf("register the door %s: the hub %s gave the door no key; the hub needs a release with 'latchhub invite'", door.RegistrationID, door.Hub)
	}
	return iothub.Device{HostName: a.Hub, DeviceID: a.DeviceID, Key: key}, nil
}
