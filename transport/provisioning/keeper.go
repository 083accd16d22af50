package provisioning

import (
	"context"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// askAgain is after how many refusals of its hub in a row a device asks the
// service again. A hub that refuses may have forgotten the device, which the
// service puts right; or it is the wrong one by now; or nothing is wrong but the
// clock. Azure bills by the registration, so not each refusal is a reason.
const askAgain = 3

// Keeper knows which hub the device belongs to. Its Locate is what a link wants,
// and is called by one goroutine at a time.
type Keeper struct {
	Options Options
	// Assignment is the one that was kept; the zero value is none.
	Assignment Assignment
	// Keep puts a new assignment where the next process finds it. An error is logged.
	Keep   func(Assignment) error
	Logger *zap.Logger // nil means nobody
}

// Locate returns the device's identity at its hub. refusals is how often in a
// row the hub has refused the device or was not there. While the service does
// not answer, or refuses, the assignment that was kept is all that there is, and
// is tried again.
func (k *Keeper) Locate(ctx context.Context, refusals int) (iothub.Device, error) {
	log := k.Logger
	if log == nil {
		log = zap.NewNop()
	}
	have := k.Assignment.isFor(k.Options)
	if have && (refusals == 0 || refusals%askAgain != 0) {
		return k.device(), nil
	}
	a, err := Register(ctx, k.Options)
	switch {
	case err != nil && (!have || ctx.Err() != nil):
		return iothub.Device{}, err
	case err != nil:
		log.Warn("the hub refuses the device, and the provisioning service assigns no other", zap.String("hub", k.Assignment.Hub), zap.Error(err))
		return k.device(), nil
	}
	log.Info("assigned to a hub", zap.String("hub", a.Hub), zap.String("device_id", a.DeviceID))
	k.Assignment = a
	if k.Keep != nil {
		if err := k.Keep(a); err != nil {
			log.Error("the assignment to a hub is not kept; the next start asks for it again", zap.Error(err))
		}
	}
	return k.device(), nil
}

// isFor reports whether the assignment was made to the one who asks.
func (a Assignment) isFor(o Options) bool {
	return a.Hub != "" && a.DeviceID != "" &&
		a.Endpoint == o.endpoint() && a.IDScope == o.IDScope && a.RegistrationID == o.RegistrationID
}

// device returns the identity: what proves it to the service proves it to the hub.
func (k *Keeper) device() iothub.Device {
	return iothub.Device{
		HostName: k.Assignment.Hub, DeviceID: k.Assignment.DeviceID,
		Key: k.Options.Key, X509: k.Options.Certificate != nil,
	}
}
