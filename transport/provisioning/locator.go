package provisioning

import (
	"context"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/addresses"
	"github.com/latchd/latchd/transport/iothub"
)

// refusalsPerRequest is a number of consecutive refusals by the assigned hub. After
// this many refusals, a device asks the provisioning service again. A new registration
// helps if the hub has lost the device or if the device belongs to another hub. The
// reason may also be a wrong clock, and Azure charges for each registration, so the
// device does not ask after every refusal.
const refusalsPerRequest = 3

// Locator finds the hub to which the device is assigned, and remembers it. Pass its
// Locate method to mqtt.Run as Options.Locate. Only one goroutine may call Locate at a
// time.
type Locator struct {
	Options Options
	// Assignment is the assignment to a hub that an earlier run of the program saved.
	// The zero value means that the device has no assignment.
	Assignment Assignment
	// Save stores a new assignment for the next start of the program. If Save fails,
	// Locate only logs the error. Nil means that assignments are not stored.
	Save func(Assignment) error
	// Logger receives log entries about assignments and failures. Nil disables logging.
	Logger *zap.Logger

	addresses addresses.Memory
}

// Locate returns the device's identity at its assigned hub. refusals is the number of
// consecutive attempts in which the hub refused the device or its name did not exist.
// If the provisioning service fails or refuses, Locate returns the identity at the
// earlier hub, if there is one.
func (l *Locator) Locate(ctx context.Context, refusals int) (iothub.Device, error) {
	log := l.Logger
	if log == nil {
		log = zap.NewNop()
	}

	assigned := l.Assignment.isFor(l.Options)
	if assigned && (refusals == 0 || refusals%refusalsPerRequest != 0) {
		return l.device(), nil
	}

	o := l.Options
	o.addresses = &l.addresses
	a, err := Register(ctx, o)
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

// isFor reports whether the assignment was made by the service that o names, for the
// device that o names.
func (a Assignment) isFor(o Options) bool {
	return a.Hub != "" && a.DeviceID != "" &&
		a.Endpoint == o.endpoint() && a.IDScope == o.IDScope && a.RegistrationID == o.RegistrationID
}

// device returns the device's identity at the assigned hub. The hub accepts the same
// key or certificate as the provisioning service.
func (l *Locator) device() iothub.Device {
	return iothub.Device{
		HostName: l.Assignment.Hub,
		DeviceID: l.Assignment.DeviceID,
		Key:      l.Options.Key,
		X509:     l.Options.Certificate != nil,
	}
}
