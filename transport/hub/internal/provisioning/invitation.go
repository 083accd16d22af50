package provisioning

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
)

// The times for which an invitation is valid.
const (
	DefaultValidity = 24 * time.Hour
	MaxValidity     = 7 * 24 * time.Hour
)

// Invitation marks an enrollment whose key is a one-time key. A device that registers with
// it gets a new key in the answer's payload. The first login with the new key deletes the
// enrollment. Until then the device may register again, if it has lost the answer; only
// the key of its latest registration is valid.
type Invitation struct {
	Expires time.Time `json:"expires"`
}

// InviteRequest says whom to invite.
type InviteRequest struct {
	Tags         iothub.Object `json:"tags,omitempty"`         // tags of the new device
	ValidSeconds int64         `json:"validSeconds,omitempty"` // 0 means DefaultValidity
	Replace      bool          `json:"replace,omitempty"`      // permit that the device exists
}

// Invite creates an enrollment for one registration of the device id, and returns the code
// that contains its key. It replaces an earlier invitation of the device, whose code then
// is invalid. It fails with DeviceAlreadyExists if the device exists and the request does
// not permit this, or if the device has another kind of enrollment.
func (s *Service) Invite(ctx context.Context, id string, r InviteRequest) (invitation.Door, error) {
	validity := cmp.Or(time.Duration(r.ValidSeconds)*time.Second, DefaultValidity)
	if r.ValidSeconds < 0 || r.ValidSeconds > int64(MaxValidity/time.Second) {
		return invitation.Door{}, invalid("validSeconds is %d, want 1 to %d", r.ValidSeconds, int64(MaxValidity/time.Second))
	}
	if err := iothub.CheckDeviceID(id); err != nil {
		return invitation.Door{}, invalid("%v", err)
	}
	if err := s.checkUninvited(ctx, id, r.Replace); err != nil {
		return invitation.Door{}, err
	}

	replaced := ""
	previous, err := s.Get(ctx, false, id)
	switch {
	case errors.Is(err, &iothub.Error{Code: iothub.CodeNotFound}):
	case err != nil:
		return invitation.Door{}, err
	case previous.Invitation == nil:
		return invitation.Door{}, iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the device %s has an enrollment that is no invitation: delete the enrollment first", id)
	default:
		replaced = previous.ETag
	}

	key := iothub.NewKey()
	e := Enrollment{
		RegistrationID: id, Invitation: &Invitation{Expires: s.now().UTC().Add(validity).Truncate(time.Second)},
		Attestation: Attestation{Type: iothub.AttestSymmetricKey,
			SymmetricKey: &iothub.SymmetricKey{PrimaryKey: key.Base64(), SecondaryKey: iothub.NewKey().Base64()}},
	}
	if len(r.Tags) > 0 {
		e.InitialTwin = &iothub.TwinPatch{Tags: r.Tags}
	}
	stored, err := s.Put(ctx, e, replaced)
	return invitation.Door{
		Hub: s.hub(false), IDScope: s.store.IDScope(), RegistrationID: stored.RegistrationID,
		Key: key, CA: s.ca, Expires: e.Invitation.Expires,
	}, err
}

// checkUninvited returns an error if the device exists, unless the caller permits this.
func (s *Service) checkUninvited(ctx context.Context, id string, permitted bool) error {
	_, err := s.store.Device(ctx, id)
	switch {
	case errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotFound}):
		return nil
	case err != nil:
		return err
	case !permitted:
		return iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the device %s already exists: set replace to give its identity to another gateway", id)
	}

	owned, err := s.store.OwnedByEnrollment(ctx, id, id)
	if err == nil && !owned {
		err = iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the device %s was not created by an invitation: delete it first, or give its connection string to the gateway", id)
	}
	return err
}
