package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// Broker is the part of the MQTT broker that the API calls. Package broker documents the
// methods.
type Broker interface {
	Invoke(deviceID string, m iothub.MethodRequest, done func(iothub.MethodResponse, error))
	Wait(ctx context.Context, deviceID string) error
	SendDesired(deviceID string, desired iothub.Object)
	Disconnect(deviceID string)
	Forget(ctx context.Context, deviceID string) error
}

// Options are the parts of the hub that the API needs. Throttle, Logger and Now may be
// nil; all others are required.
type Options struct {
	Access       access.Checker
	Store        *store.Store
	Broker       Broker
	Jobs         *jobs.Engine
	Provisioning *provisioning.Service // manages enrollments
	Feed         *feed.Feed            // streams the hub's events
	Throttle     *throttle.Throttle    // nil means no limits
	Logger       *zap.Logger           // nil disables logging
	Now          func() time.Time      // nil means time.Now
}

type api struct {
	Options
	mux       *http.ServeMux
	remoteLog *zap.Logger // for entries that clients can cause, see package logtext
}

// New returns the HTTP handler that serves the service API.
func New(opts Options) http.Handler {
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a := &api{Options: opts, mux: http.NewServeMux(), remoteLog: logtext.Remote(opts.Logger)}

	for pattern, route := range a.routes() {
		a.mux.Handle(pattern, a.guard(route.right, route.handle))
	}
	for path, reason := range notServed {
		refuse := a.wrap(func(_ http.ResponseWriter, r *http.Request) error {
			return iothub.Errorf(iothub.CodeNotImplemented, "%s %s: %s", r.Method, r.URL.Path, reason)
		})
		a.mux.Handle(path, refuse)
		if folder, ok := strings.CutSuffix(path, "/{rest...}"); ok {
			a.mux.Handle(folder, refuse)
		}
	}
	for _, path := range servedPaths {
		a.mux.Handle(path, a.wrap(refuseMethod))
	}
	a.mux.Handle("/", a.registrationMux())
	return a
}

// refuseMethod answers a request whose HTTP method the path does not support.
func refuseMethod(_ http.ResponseWriter, r *http.Request) error {
	return iothub.Errorf(iothub.CodeMethodNotAllowed, "%s does not support the method %s", r.URL.Path, r.Method)
}

// route describes a kind of request: its handler, and the right that the request's
// token must have.
type route struct {
	right  access.Right
	handle handler
}

// routes maps the API's URL patterns to their routes.
func (a *api) routes() map[string]route {
	individual, groups := enrollments{a, false}, enrollments{a, true}

	return map[string]route{
		"PUT /devices/{id}":             {access.RegistryWrite, a.limited(throttle.Registry, a.putDevice)},
		"GET /devices/{id}":             {access.RegistryRead, a.limited(throttle.Registry, a.getDevice)},
		"DELETE /devices/{id}":          {access.RegistryWrite, a.limited(throttle.Registry, a.deleteDevice)},
		"GET /devices":                  {access.RegistryRead, a.limited(throttle.Registry, a.listDevices)},
		"POST /devices":                 {access.RegistryWrite, a.bulkDevices},
		"DELETE /devices/{id}/commands": {access.ServiceConnect, a.purge},
		"POST /devices/keys/regenerate": {access.RegistryWrite, a.renewKeys},
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
		"GET /jobs":                     {access.RegistryRead, a.listTransfers},

		"GET /certificates":           {access.RegistryRead, a.listAuthorities},
		"PUT /certificates/{name}":    {access.RegistryWrite, a.putAuthority},
		"DELETE /certificates/{name}": {access.RegistryWrite, a.deleteAuthority},

		"GET /events": {access.ServiceConnect, a.events},

		"GET /idScope":                                     {access.RegistryRead, a.idScope},
		"PUT /enrollments/{id}":                            {access.RegistryWrite, individual.put},
		"GET /enrollments/{id}":                            {access.RegistryRead, individual.get},
		"DELETE /enrollments/{id}":                         {access.RegistryWrite, individual.delete},
		"POST /enrollments":                                {access.RegistryWrite, individual.bulk},
		"POST /enrollments/query":                          {access.RegistryRead, individual.query},
		"POST /enrollments/{id}/attestationmechanism":      {access.RegistryWrite, individual.attestation},
		"PUT /enrollmentGroups/{id}":                       {access.RegistryWrite, groups.put},
		"GET /enrollmentGroups/{id}":                       {access.RegistryRead, groups.get},
		"DELETE /enrollmentGroups/{id}":                    {access.RegistryWrite, groups.delete},
		"POST /enrollmentGroups":                           {access.RegistryWrite, groups.bulk},
		"POST /enrollmentGroups/query":                     {access.RegistryRead, groups.query},
		"POST /enrollmentGroups/{id}/attestationmechanism": {access.RegistryWrite, groups.attestation},
		"GET /registrations/{id}":                          {access.RegistryRead, a.getRegistration},
		// The official SDK writes this one path in lower case.
		"POST /enrollmentgroups/{id}/attestationmechanism": {access.RegistryWrite, groups.attestation},
	}
}

// servedPaths lists the paths on which an unsupported HTTP method is refused with 405
// MethodNotAllowed. On all other paths, the answer is 404 NotFound.
var servedPaths = []string{
	"/devices", "/devices/{id}", "/devices/{id}/commands", "/statistics/devices", "/statistics/service",
	"/twins/{id}", "/twins/{id}/methods", "/jobs/v2/{id}", "/jobs/v2/{id}/cancel",
	"/events", "/certificates", "/certificates/{name}",
	"/enrollments", "/enrollmentGroups",
	"/enrollments/{id}", "/enrollments/{id}/attestationmechanism",
	"/enrollmentGroups/{id}", "/enrollmentGroups/{id}/attestationmechanism",
}
