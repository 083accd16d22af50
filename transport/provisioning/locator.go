package provisioning

import (
	"context"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// refusalsPerRequest is the number of consecutive refusals of its hub after which a
// device asks the service again. A hub that refuses may have lost the device, or the
// device may belong to another hub; registering again repairs both. But the reason may
// also be a wrong clock, and Azure charges for each registration.
const refusalsPerRequest = 3

// Locator knows the hub to which the device is assigned. Pass its Locate method to
// mqtt.Run as Options.Locate. Only one goroutine may call Locate at a time.
type Locator struct {
	Options Options
	// Assignment is the assignment that was saved earlier. The zero value means that
	// the device has none.
	Assignment Assignment
	// Save stores a new assignment for the next start of the program. Locate logs its
	// error. Nil means that assignments are not stored.
	Save func(Assignment) error
	// Logger receives assignments and failures. Nil disables logging.
	Logger *zap.Logger
}

// Locate returns the device's identity at its hub. refusals is the number of
// consecutive attempts for which the hub refused the device or did not exist. If the
// service fails or refuses, Locate returns the earlier assignment.
func (l *Locator) Locate(ctx context.Context, refusals int) (iothub.Device, error) {
	log := l.Logger
	if log == nil {
		log = zap.NewNop()
	}

	assigned := l.Assignment.isFor(l.Options)
	if assigned && (refusals == 0 || refusals%refusalsPerRequest != 0) {
		return l.device(), nil
	}

	a, err := Register(ctx, l.Options)
	switch {
	case err != nil && (!assigned || ctx.Err() != nil):
		return iothub.Device{}, err
	case err != nil:
		log.Warn("the hub refuses the device, and the provisioning service did not assign another hub", zap.String("hub", l.Assignment.Hub), zap.Error(err))
		return l.device(), nil
	}

	log.Info("assigned to a hub", zap.String("hub", a.Hub), zap.String("device_id", a.DeviceID))
	l.Assignment = a
	if l.Save != nil {
		if err := l.Save(a); err != nil {
			log.Error("cannot save the assignment to a hub; latchd will ask for it again at the next start", zap.Error(err))
		}
	}
	return l.device(), nil
}

// isFor reports whether the service of o made the assignment, and made it to the
// device of o.
func (a Assignment) isFor(o Options) bool {
	return a.Hub != "" && a.DeviceID != "" &&
		a.Endpoint == o.endpoint() && a.IDScope == o.IDScope && a.RegistrationID == o.RegistrationID
}

// device returns the device's identity at the assigned hub. The device uses the same key
// or certificate for the service and the hub.
func (l *Locator) device() iothub.Device {
	return iothub.Device{
		HostName: l.Assignment.Hub,
		DeviceID: l.Assignment.DeviceID,
		Key:      l.Options.Key,
		X509:     l.Options.Certificate != nil,
	}
}
