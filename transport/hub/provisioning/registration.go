package provisioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/latchd/latchd/transport/hub/broker"
	"github.com/latchd/latchd/transport/iothub"
)

// retryAfter is when a device is to ask what came of its registration. It is
// through by then: the answer comes after it was done.
const retryAfter = time.Second

// registration is a device that was admitted.
type registration struct {
	service    *Service
	enrollment Enrollment
	login      broker.RegistrationLogin
	auth       iothub.Authentication
}

// state is what is kept of a registration, and what a device is told of it.
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
}

type operation struct {
	OperationID string `json:"operationId"`
	Status      string `json:"status"`
	State       *state `json:"registrationState,omitempty"`
}

// Register registers the device with the hub, and says under which operation it
// is to ask what came of it.
func (r *registration) Register(ctx context.Context, payload []byte) broker.RegistrationAnswer {
	var request struct {
		RegistrationID string `json:"registrationId"`
	}
	if err := json.Unmarshal(payload, &request); err != nil {
		return r.service.refuse(invalid("the request is not a JSON object"))
	}
	if request.RegistrationID != "" && request.RegistrationID != r.login.RegistrationID {
		return r.service.refuse(invalid("the request is for the registration id %q, the link for %q", request.RegistrationID, r.login.RegistrationID))
	}
	id, err := r.register(ctx)
	if err != nil {
		return r.service.refuse(err)
	}
	return answer(http.StatusAccepted, operation{OperationID: id, Status: "assigning"}, retryAfter)
}

func (r *registration) register(ctx context.Context) (operationID string, err error) {
	s := r.service
	// The enrolment may have changed since the device logged in.
	now, err := s.Get(ctx, r.enrollment.GroupID != "", r.enrollment.id())
	if err != nil || now.ETag != r.enrollment.ETag {
		return "", unauthorized("the enrolment %s has changed, connect anew", r.enrollment.id())
	}
	at := s.now().UTC()
	st := state{
		OperationID: "5." + uuid.NewString(), RegistrationID: r.login.RegistrationID, Created: at,
		DeviceID: r.enrollment.DeviceID, Status: "assigned", Substatus: "initialAssignment", Updated: at,
	}
	if st.DeviceID == "" {
		st.DeviceID = st.RegistrationID
	}
	before, err := s.state(ctx, st.RegistrationID)
	if err != nil {
		return "", err
	}
	if before != nil {
		st.Created, st.Substatus = before.Created, "reprovisionedToInitialAssignment"
	}
	device, err := r.place(ctx, st.DeviceID)
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

// place makes the device, or gives one that is there the enrolment's credentials.
func (r *registration) place(ctx context.Context, deviceID string) (iothub.DeviceIdentity, error) {
	s := r.service
	var twin iothub.TwinPatch
	if r.enrollment.InitialTwin != nil {
		twin = *r.enrollment.InitialTwin
	}
	auth := r.auth
	device, err := s.store.CreateDeviceWithTwin(ctx, iothub.DeviceIdentity{DeviceID: deviceID, Authentication: &auth}, twin)
	if !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceAlreadyExists}) {
		return device, err
	}
	if device, err = s.store.Device(ctx, deviceID); err != nil || sameAuthentication(*device.Authentication, r.auth) {
		return device, err
	}
	device.Authentication = &auth
	// Only what was read is changed: a device that is being disabled stays so.
	if device, err = s.store.UpdateDevice(ctx, device, device.ETag); err != nil {
		return device, err
	}
	s.disconnect(deviceID)
	return device, nil
}

func sameAuthentication(a, b iothub.Authentication) bool {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	return a.Type == b.Type && a.SymmetricKey == b.SymmetricKey &&
		text(a.X509Thumbprint.PrimaryThumbprint) == text(b.X509Thumbprint.PrimaryThumbprint) &&
		text(a.X509Thumbprint.SecondaryThumbprint) == text(b.X509Thumbprint.SecondaryThumbprint)
}

// Operation tells what came of a registration.
func (r *registration) Operation(ctx context.Context, operationID string) broker.RegistrationAnswer {
	st, err := r.service.state(ctx, r.login.RegistrationID)
	switch {
	case err != nil:
		return r.service.refuse(err)
	case st == nil || st.OperationID != operationID:
		return r.service.refuse(iothub.Errorf(iothub.CodeNotFound, "there is no operation %q of this device", operationID))
	}
	st.OperationID, st.AssignedHub = "", r.service.hub(r.login.WebSocket)
	return answer(http.StatusOK, operation{OperationID: operationID, Status: st.Status, State: st}, 0)
}

func (s *Service) state(ctx context.Context, registrationID string) (*state, error) {
	body, err := s.store.Registration(ctx, registrationID)
	if err != nil || body == nil {
		return nil, err
	}
	st := new(state)
	if err := json.Unmarshal(body, st); err != nil {
		return nil, fmt.Errorf("the stored registration %s: %w", registrationID, err)
	}
	return st, nil
}

// refuse makes the answer to a request that cannot be done. What is the hub's own
// fault is told without its reasons, and asks the device to come again.
func (s *Service) refuse(err error) broker.RegistrationAnswer {
	var e *iothub.Error
	wait := time.Duration(0)
	id := uuid.NewString()
	if !errors.As(err, &e) {
		e = iothub.Errorf(iothub.CodeServerError, "the hub could not do it, try again later")
	}
	if e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests {
		wait = 5 * time.Second
	}
	a := answer(e.Status, map[string]any{
		"errorCode": e.Code.Number(), "trackingId": id, "message": e.Message, "timestampUtc": s.now().UTC(),
	}, wait)
	a.Err = fmt.Errorf("%w (tracking id %s)", err, id)
	return a
}

func answer(status int, body any, retryAfter time.Duration) broker.RegistrationAnswer {
	text, err := json.Marshal(body)
	return broker.RegistrationAnswer{Status: status, RetryAfter: retryAfter, Body: text, Err: err}
}
