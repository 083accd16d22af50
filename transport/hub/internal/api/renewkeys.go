package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// renewedDevice is a device in a request for new keys, and in its answer. The members of
// the answer are those of az, because IoT Hub's REST reference lacks this request.
type renewedDevice struct {
	ID           string      `json:"id"`
	ModuleID     string      `json:"moduleId,omitempty"`
	PrimaryKey   string      `json:"primaryKey,omitempty"`
	SecondaryKey string      `json:"secondaryKey,omitempty"`
	ErrorCode    iothub.Code `json:"errorCode,omitempty"`
	ErrorStatus  string      `json:"errorStatus,omitempty"`
}

type renewedKeys struct {
	PolicyKey   iothub.KeyToRenew `json:"policyKey"`
	RotatedKeys []renewedDevice   `json:"rotatedKeys"`
	Errors      []renewedDevice   `json:"errors"`
}

// renewKeys replaces the keys of up to 100 devices. The changes are independent of each
// other: if some fail, the answer has status 400 and lists the failed devices.
func (a *api) renewKeys(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		PolicyKey iothub.KeyToRenew `json:"policyKey"`
		Devices   []renewedDevice   `json:"devices"`
	}
	if err := read(w, r, &request); err != nil {
		return err
	}
	if request.PolicyKey == "" {
		return invalid("policyKey is missing, want primaryKey, secondaryKey or both")
	}
	if len(request.Devices) < 1 || len(request.Devices) > maxBulk {
		return invalid("the request has %d devices, want 1 to %d", len(request.Devices), maxBulk)
	}
	if err := a.Throttle.Take(throttle.Registry, len(request.Devices)); err != nil {
		return err
	}

	answer := renewedKeys{PolicyKey: request.PolicyKey, RotatedKeys: []renewedDevice{}, Errors: []renewedDevice{}}
	for _, device := range request.Devices {
		renewed, err := a.renewKey(r.Context(), device, request.PolicyKey)
		changesOf(r.Context()).add("renew keys", device.ID, err)
		if refusal, ok := errors.AsType[*iothub.Error](err); ok {
			answer.Errors = append(answer.Errors, renewedDevice{ID: device.ID, ModuleID: device.ModuleID,
				ErrorCode: refusal.Code, ErrorStatus: refusal.Message})
			continue
		}
		if err != nil {
			return err
		}
		answer.RotatedKeys = append(answer.RotatedKeys, renewed)
	}

	if len(answer.Errors) > 0 {
		return a.answerStatus(w, http.StatusBadRequest, answer)
	}
	return a.answer(w, answer)
}

// renewKey replaces one or both keys of a device and disconnects the device.
func (a *api) renewKey(ctx context.Context, device renewedDevice, which iothub.KeyToRenew) (renewedDevice, error) {
	if device.ModuleID != "" {
		return renewedDevice{}, iothub.Errorf(iothub.CodeNotImplemented, "modules are not supported")
	}
	d, err := a.Store.Device(ctx, device.ID)
	if err != nil {
		return renewedDevice{}, err
	}
	if d.Authentication.Type != iothub.AuthSAS {
		return renewedDevice{}, invalid("device %s does not log in with a key", device.ID)
	}

	keys := &d.Authentication.SymmetricKey
	if which != iothub.RenewSecondaryKey {
		keys.PrimaryKey = iothub.NewKey().Base64()
	}
	if which != iothub.RenewPrimaryKey {
		keys.SecondaryKey = iothub.NewKey().Base64()
	}
	if d, err = a.updateDevice(ctx, d, d.ETag); err != nil {
		return renewedDevice{}, err
	}
	keys = &d.Authentication.SymmetricKey
	return renewedDevice{ID: d.DeviceID, PrimaryKey: keys.PrimaryKey, SecondaryKey: keys.SecondaryKey}, nil
}
