package provisioning

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// pollDelay is how long a device should wait before it asks for the result of its
// registration. It is short, because Register stores the result before it answers.
const pollDelay = time.Second

// errorDelay is how long a device should wait before it repeats a request that failed
// because of an error in the hub.
const errorDelay = 5 * time.Second

// registration answers the requests of a device that Admit has accepted.
type registration struct {
	service    *Service
	enrollment Enrollment
	login      broker.RegistrationLogin
	auth       iothub.Authentication // credentials with which the device will log in to the hub
}

// state is the stored state of a device's registration. The device receives it as JSON.
type state struct {
	OperationID    string    `json:"operationId,omitempty"`
	RegistrationID string    `json:"registrationId"`
	Created        time.Time `json:"createdDateTimeUtc"`
	AssignedHub    string    `json:"assignedHub,omitempty"`
	DeviceID       string    `json:"deviceId"`
	Status         string    `json:"status"`
	Substatus      string    `json:"substatus"`
	Updated        time.Time `json:"lastUpdatedDateTimeUtc"`
	ETag           string    `json:"etag"`
	Payload        any       `json:"payload,omitempty"` // never stored
}

// operation is the JSON answer to a device's requests.
type operation struct {
	OperationID string `json:"operationId"`
	Status      string `json:"status"`
	State       *state `json:"registrationState,omitempty"`
}

// Register registers the device with the hub. The answer contains an operation id, with
// which the device asks for the result.
func (r *registration) Register(ctx context.Context, payload []byte) broker.RegistrationAnswer {
	var request struct {
		RegistrationID string `json:"registrationId"`
	}
	if err := iothub.ReadJSON(payload, &request); err != nil {
		return r.service.Refuse(invalid("the request: %v", err))
	}
	if request.RegistrationID != "" && !strings.EqualFold(request.RegistrationID, r.login.RegistrationID) {
		return r.service.Refuse(invalid("the request is for the registration id %q, but the device logged in as %q", request.RegistrationID, r.login.RegistrationID))
	}

	operationID, err := r.register(ctx)
	if err != nil {
		return r.service.Refuse(err)
	}
	return answer(http.StatusAccepted, operation{OperationID: operationID, Status: "assigning"}, pollDelay)
}

func (r *registration) register(ctx context.Context) (operationID string, err error) {
	s := r.service
	// Of two first registrations in different spellings, the second must find the first.
	defer s.lockRegistration(r.login.RegistrationID)()

	// The registration keeps the spelling of its id that the hub saw first: that of the
	// individual enrollment or of the first registration.
	now := s.now().UTC()
	st := state{
		OperationID: "5." + uuid.NewString(), RegistrationID: cmp.Or(r.enrollment.RegistrationID, r.login.RegistrationID), Created: now,
		DeviceID: r.enrollment.DeviceID, Status: "assigned", Substatus: "initialAssignment", Updated: now,
	}

	previous, err := s.state(ctx, st.RegistrationID)
	if err != nil {
		return "", err
	}
	if previous != nil {
		st.RegistrationID = previous.RegistrationID
		st.Created, st.Substatus = previous.Created, "reprovisionedToInitialAssignment"
	}
	if st.DeviceID == "" {
		st.DeviceID = st.RegistrationID
	}

	device, err := r.provisionDevice(ctx, st.DeviceID)
	if err != nil {
		return "", err
	}
	st.ETag = device.ETag

	body, err := json.Marshal(st)
	if err == nil {
		err = s.store.SaveRegistration(ctx, st.RegistrationID, body)
	}
	return st.OperationID, err
}

// provisionDevice creates the device in the hub, with the twin of its enrollment. A
// device that the enrollment registered earlier keeps its twin and gets the enrollment's
// credentials. With an invitation, every registration creates new keys instead, so that
// only the latest one counts. A device whose credentials change is disconnected.
func (r *registration) provisionDevice(ctx context.Context, deviceID string) (iothub.DeviceIdentity, error) {
	var twin iothub.TwinPatch
	if r.enrollment.InitialTwin != nil {
		twin = *r.enrollment.InitialTwin
	}

	auth := r.auth
	if r.enrollment.Invitation != nil {
		auth.SymmetricKey = iothub.SymmetricKey{PrimaryKey: iothub.NewKey().Base64(), SecondaryKey: iothub.NewKey().Base64()}
	}
	device, changed, err := r.service.store.RegisterDevice(ctx, store.DeviceRegistration{
		Group: r.enrollment.isGroup(), EnrollmentID: r.enrollment.id(), EnrollmentETag: r.enrollment.ETag,
		RegistrationID: r.login.RegistrationID, Invitation: r.enrollment.Invitation != nil,
		DeviceID: deviceID, Authentication: auth, InitialTwin: twin,
	})
	if changed && err == nil {
		r.service.disconnect(deviceID)
	}
	return device, err
}

// Operation returns the result of the device's registration.
func (r *registration) Operation(ctx context.Context, operationID string) broker.RegistrationAnswer {
	st, err := r.service.state(ctx, r.login.RegistrationID)
	switch {
	case err != nil:
		return r.service.Refuse(err)
	case st == nil || st.OperationID != operationID:
		return r.service.Refuse(iothub.Errorf(iothub.CodeNotFound, "this device has no operation %q", operationID))
	}

	if r.enrollment.Invitation != nil {
		device, err := r.service.store.Device(ctx, st.DeviceID)
		if err != nil {
			return r.service.Refuse(err)
		}
		st.Payload = map[string]string{"deviceKey": device.Authentication.SymmetricKey.PrimaryKey}
	}

	st.OperationID, st.AssignedHub = "", r.service.hub(r.login.WebSocket)
	return answer(http.StatusOK, operation{OperationID: operationID, Status: st.Status, State: st}, 0)
}

// Registration returns the state of a device's latest registration as JSON. It fails
// with NotFound if the device has not registered.
func (s *Service) Registration(ctx context.Context, registrationID string) ([]byte, error) {
	st, err := s.state(ctx, registrationID)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return nil, iothub.Errorf(iothub.CodeNotFound, "there is no registration %s", registrationID)
	}

	st.OperationID, st.AssignedHub = "", s.hub(false)
	return json.Marshal(st)
}

// state returns the stored state of a device's registration. It returns nil if the
// device has not registered.
func (s *Service) state(ctx context.Context, registrationID string) (*state, error) {
	body, err := s.store.Registration(ctx, registrationID)
	if err != nil || body == nil {
		return nil, err
	}

	st := new(state)
	if err := json.Unmarshal(body, st); err != nil {
		return nil, fmt.Errorf("parse the stored registration %s: %w", registrationID, err)
	}
	return st, nil
}

// Refuse returns the answer to a request that has failed. If the hub itself failed, the
// answer hides the cause and asks the device to try again later.
func (s *Service) Refuse(err error) broker.RegistrationAnswer {
	refusal, ok := errors.AsType[*iothub.Error](err)
	if !ok {
		refusal = iothub.Errorf(iothub.CodeServerError, "internal error of the hub: try again later")
	}

	delay := time.Duration(0)
	if refusal.Status >= http.StatusInternalServerError || refusal.Status == http.StatusTooManyRequests {
		delay = errorDelay
	}

	trackingID := uuid.NewString()
	a := answer(refusal.Status, map[string]any{
		"errorCode": refusal.Code.Number(), "trackingId": trackingID, "message": refusal.Message, "timestampUtc": s.now().UTC(),
	}, delay)
	a.Err = fmt.Errorf("%w (tracking id %s)", err, trackingID)
	return a
}

func answer(status int, body any, retryAfter time.Duration) broker.RegistrationAnswer {
	text, err := json.Marshal(body)
	return broker.RegistrationAnswer{Status: status, RetryAfter: retryAfter, Body: text, Err: err}
}
