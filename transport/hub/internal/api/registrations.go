package api

import (
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/admission"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// registrationMux returns the handler of the provisioning service's device API: devices
// register over HTTPS instead of MQTT. A device proves its identity with a token or with
// its TLS certificate. The routes begin with the id scope, so they cannot be in the mux
// of the other routes. The handler answers all other paths with NotFound.
func (a *api) registrationMux() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, handle := range a.registrationRoutes() {
		mux.Handle(pattern, a.wrap(a.admitted(handle)))
	}
	for _, path := range []string{"/{scope}/registrations/{id}", "/{scope}/registrations/{id}/register", "/{scope}/registrations/{id}/operations/{operation}"} {
		mux.Handle(path, a.wrap(refuseMethod))
	}
	mux.Handle("/", a.wrap(func(_ http.ResponseWriter, r *http.Request) error {
		return iothub.Errorf(iothub.CodeNotFound, "this hub has no resource %s", r.URL.Path)
	}))
	return mux
}

// registrationRoutes maps the URL patterns of registrations to their handlers.
func (a *api) registrationRoutes() map[string]registrationHandler {
	return map[string]registrationHandler{
		"PUT /{scope}/registrations/{id}/register":               a.register,
		"GET /{scope}/registrations/{id}/operations/{operation}": a.registrationOperation,
		"POST /{scope}/registrations/{id}":                       a.registrationState,
	}
}

// registrationHandler answers a request of a device that the provisioning service has
// admitted.
type registrationHandler func(w http.ResponseWriter, r *http.Request, device broker.Registration) (broker.RegistrationAnswer, error)

// admitted returns a handler that calls handle if the provisioning service admits the
// device. It checks the device's credentials before it reads the request's body.
func (a *api) admitted(handle registrationHandler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		device, _, err := a.Provisioning.Admit(r.Context(), registrationLogin(r))
		if err != nil {
			a.answerRegistration(w, r, a.Provisioning.Refuse(err))
			return nil
		}
		admission.AuthorizeRequest(r, "device registration")

		if err := checkAPIVersion(r); err != nil {
			return err
		}

		answer, err := handle(w, r, device)
		if err != nil {
			return err
		}
		a.answerRegistration(w, r, answer)
		return nil
	}
}

// registrationLogin returns the credentials of a device that registers: its token, and
// the certificates of its TLS session.
func registrationLogin(r *http.Request) broker.RegistrationLogin {
	login := broker.RegistrationLogin{
		IDScope: r.PathValue("scope"), RegistrationID: r.PathValue("id"), Password: r.Header.Get("Authorization"),
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		login.Chain = access.Chain{Leaf: r.TLS.PeerCertificates[0], Intermediates: r.TLS.PeerCertificates[1:]}
	}
	return login
}

func (a *api) register(w http.ResponseWriter, r *http.Request, device broker.Registration) (broker.RegistrationAnswer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return broker.RegistrationAnswer{}, err
	}
	return device.Register(r.Context(), body), nil
}

func (a *api) registrationOperation(_ http.ResponseWriter, r *http.Request, device broker.Registration) (broker.RegistrationAnswer, error) {
	return device.Operation(r.Context(), r.PathValue("operation")), nil
}

// registrationState answers with the state of the device's latest registration.
func (a *api) registrationState(w http.ResponseWriter, r *http.Request, _ broker.Registration) (broker.RegistrationAnswer, error) {
	state, err := a.Provisioning.Registration(r.Context(), r.PathValue("id"))
	if err != nil {
		return a.Provisioning.Refuse(err), nil
	}
	return broker.RegistrationAnswer{Status: http.StatusOK, Body: state}, nil
}

// answerRegistration sends an answer of the provisioning service.
func (a *api) answerRegistration(w http.ResponseWriter, r *http.Request, answer broker.RegistrationAnswer) {
	if answer.Err != nil {
		a.remoteLog.Info("refused a registration", zap.String("device_id", r.PathValue("id")),
			zap.String(logtext.Address, r.RemoteAddr), zap.Int("status", answer.Status), zap.Error(answer.Err))
	}
	if answer.Status == http.StatusUnauthorized {
		// A stranger needs a new connection for each attempt, which counts and takes time.
		w.Header().Set("Connection", "close")
	}
	if answer.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((answer.RetryAfter+time.Second-1)/time.Second)))
	}
	a.answerJSON(w, answer.Status, answer.Body)
}

// getRegistration answers a service with the state of a device's latest registration.
func (a *api) getRegistration(w http.ResponseWriter, r *http.Request) error {
	state, err := a.Provisioning.Registration(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	a.answerJSON(w, http.StatusOK, state)
	return nil
}
