package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/hub/feed"
	"github.com/latchd/latchd/transport/hub/jobs"
	"github.com/latchd/latchd/transport/hub/provisioning"
	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// Broker is what the service front asks of the device front.
type Broker interface {
	Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error))
	Wait(ctx context.Context, deviceID string) error
	SendDesired(deviceID string, desired iothub.Object)
	Disconnect(deviceID string)
	Forget(ctx context.Context, deviceID string) error
}

// Options are what the service front needs. All but the last three must be set.
type Options struct {
	Access access.Checker
	Store  *store.Store
	Broker Broker
	Jobs   *jobs.Engine
	// Provisioning has the enrolments.
	Provisioning *provisioning.Service
	// Feed has what happens in the hub, for those who listen.
	Feed     *feed.Feed
	Throttle *throttle.Throttle // nil: nothing is throttled
	Logger   *zap.Logger        // nil: none
	Now      func() time.Time   // nil: time.Now
}

type api struct {
	Options
	mux *http.ServeMux
}

// New returns the handler of the service API.
func New(opts Options) http.Handler {
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a := &api{Options: opts, mux: http.NewServeMux()}
	devices, groups := enrollments{a, false}, enrollments{a, true}
	for pattern, route := range map[string]struct {
		right  access.Right
		handle handler
	}{
		"PUT /devices/{id}":             {access.RegistryWrite, a.limited(throttle.Registry, a.putDevice)},
		"GET /devices/{id}":             {access.RegistryRead, a.limited(throttle.Registry, a.getDevice)},
		"DELETE /devices/{id}":          {access.RegistryWrite, a.limited(throttle.Registry, a.deleteDevice)},
		"GET /devices":                  {access.RegistryRead, a.limited(throttle.Registry, a.listDevices)},
		"GET /devices/{$}":              {access.RegistryRead, a.limited(throttle.Registry, a.listDevices)},
		"POST /devices":                 {access.RegistryWrite, a.bulkDevices},
		"DELETE /devices/{id}/commands": {access.ServiceConnect, a.purge},
		"POST /devices/query":           {access.ServiceConnect, a.limited(throttle.Queries, a.query)},
		"GET /statistics/devices":       {access.RegistryRead, a.deviceStatistics},
		"GET /statistics/service":       {access.ServiceConnect, a.serviceStatistics},
		"GET /twins/{id}":               {access.ServiceConnect, a.limited(throttle.TwinReads, a.getTwin)},
		"PATCH /twins/{id}":             {access.ServiceConnect, a.limited(throttle.TwinUpdates, a.patchTwin)},
		"PUT /twins/{id}":               {access.ServiceConnect, a.limited(throttle.TwinUpdates, a.putTwin)},
		"POST /twins/{id}/methods":      {access.ServiceConnect, a.invokeMethod},
		"PUT /jobs/v2/{id}":             {access.ServiceConnect, a.limited(throttle.JobOperations, a.putJob)},
		"GET /jobs/v2/{id}":             {access.ServiceConnect, a.limited(throttle.JobOperations, a.getJob)},
		"POST /jobs/v2/{id}/cancel":     {access.ServiceConnect, a.limited(throttle.JobOperations, a.cancelJob)},
		"GET /jobs/v2/query":            {access.ServiceConnect, a.limited(throttle.JobOperations, a.queryJobs)},

		"GET /certificates":           {access.RegistryRead, a.listAuthorities},
		"PUT /certificates/{name}":    {access.RegistryWrite, a.putAuthority},
		"DELETE /certificates/{name}": {access.RegistryWrite, a.deleteAuthority},

		"GET /events": {access.ServiceConnect, a.events},

		"GET /idScope":                                     {access.RegistryRead, a.idScope},
		"PUT /enrollments/{id}":                            {access.RegistryWrite, devices.put},
		"GET /enrollments/{id}":                            {access.RegistryRead, devices.get},
		"DELETE /enrollments/{id}":                         {access.RegistryWrite, devices.delete},
		"POST /enrollments/query":                          {access.RegistryRead, devices.query},
		"POST /enrollments/{id}/attestationmechanism":      {access.RegistryWrite, devices.attestation},
		"PUT /enrollmentGroups/{id}":                       {access.RegistryWrite, groups.put},
		"GET /enrollmentGroups/{id}":                       {access.RegistryRead, groups.get},
		"DELETE /enrollmentGroups/{id}":                    {access.RegistryWrite, groups.delete},
		"POST /enrollmentGroups/query":                     {access.RegistryRead, groups.query},
		"POST /enrollmentGroups/{id}/attestationmechanism": {access.RegistryWrite, groups.attestation},
		// The official SDK writes it so, here alone.
		"POST /enrollmentgroups/{id}/attestationmechanism": {access.RegistryWrite, groups.attestation},
	} {
		a.mux.Handle(pattern, a.guard(route.right, route.handle))
	}
	for path, what := range notServed {
		a.mux.Handle(path, a.wrap(func(_ http.ResponseWriter, r *http.Request) error {
			return iothub.Errorf(iothub.CodeNotImplemented, "%s %s: %s", r.Method, r.URL.Path, what)
		}))
	}
	for _, path := range []string{
		"/devices", "/devices/{$}", "/devices/{id}", "/devices/{id}/commands", "/statistics/devices", "/statistics/service",
		"/twins/{id}", "/twins/{id}/methods", "/jobs/v2/{id}", "/jobs/v2/{id}/cancel",
		"/events", "/certificates", "/certificates/{name}",
		"/enrollments/{id}", "/enrollments/{id}/attestationmechanism",
		"/enrollmentGroups/{id}", "/enrollmentGroups/{id}/attestationmechanism",
	} {
		a.mux.Handle(path, a.wrap(func(_ http.ResponseWriter, r *http.Request) error {
			return iothub.Errorf(iothub.CodeMethodNotAllowed, "%s is not possible on %s", r.Method, r.URL.Path)
		}))
	}
	a.mux.Handle("/", a.wrap(func(_ http.ResponseWriter, r *http.Request) error {
		return iothub.Errorf(iothub.CodeNotFound, "this hub has no resource %s", r.URL.Path)
	}))
	return a
}

// How long a request's body and its answer may take on the way. What is done in
// between bounds itself.
const (
	bodyTime   = time.Minute
	answerTime = time.Minute
)

// ServeHTTP answers one request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // a former request on the connection has left its own
	if r.Body != http.NoBody {
		_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	}
	w = &timedWriter{w, control}
	// The identifier is in every answer and stands in the log beside a failure.
	w.Header().Set("x-ms-request-id", uuid.NewString())
	a.mux.ServeHTTP(w, r)
}

// timedWriter gives an answer its time from when it begins.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *timedWriter) WriteHeader(status int) {
	_ = w.control.SetWriteDeadline(time.Now().Add(answerTime))
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handler answers a request, or returns the error that is the answer.
type handler func(w http.ResponseWriter, r *http.Request) error

var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-[A-Za-z]+)?$`)

// guard lets a handler see only requests with the right and an api-version.
func (a *api) guard(right access.Right, handle handler) http.Handler {
	return a.wrap(func(w http.ResponseWriter, r *http.Request) error {
		if err := a.Access.CheckService(r.Header.Get("Authorization"), right, a.Now()); err != nil {
			return err
		}
		if v := r.URL.Query().Get("api-version"); !apiVersion.MatchString(v) {
			return iothub.Errorf(iothub.CodeArgumentInvalid, "api-version is %q, want a date such as %s", v, iothub.APIVersion)
		}
		return handle(w, r)
	})
}

// limited is a handler whose every request is one operation of a kind.
func (a *api) limited(kind throttle.Kind, handle handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.Throttle.Take(kind, 1); err != nil {
			return err
		}
		return handle(w, r)
	}
}

// wrap turns a handler's error, or its panic, into an answer.
func (a *api) wrap(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				a.Logger.Error("panic in a request", zap.String("path", r.URL.Path), zap.Any("panic", p),
					zap.ByteString("stack", debug.Stack()))
				a.refuse(w, r, fmt.Errorf("panic"))
			}
		}()
		if err := handle(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}
