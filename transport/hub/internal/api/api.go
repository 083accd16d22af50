package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/audit"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/people"
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

// Options are the parts of the hub that the API needs. Throttle, Audit, Logger and Now may
// be nil; all others are required.
type Options struct {
	HubID        iothub.HubID // sent with each answer
	Access       access.Checker
	Store        *store.Store
	Broker       Broker
	Jobs         *jobs.Engine
	Provisioning *provisioning.Service // manages enrollments
	People       *people.People        // manages the access of persons; nil means that no person has access
	Feed         *feed.Feed            // streams the hub's events
	Throttle     *throttle.Throttle    // nil means no limits
	Audit        *audit.Log            // log of changes; nil disables it
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
		a.mux.Handle(pattern, a.guard(route))
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

// route describes a kind of request: its handler, the right that the request's token must
// have, and what the request changes.
type route struct {
	right  access.Right
	handle handler

	// change is the name of the change in the log of changes, and kind the kind of the
	// thing that it affects. A route without a name changes nothing.
	change string
	kind   audit.Kind
}

// routes maps the API's URL patterns to their routes.
func (a *api) routes() map[string]route {
	individual, groups := enrollments{a, false}, enrollments{a, true}
	reads := func(right access.Right, handle handler) route { return route{right: right, handle: handle} }
	changes := func(right access.Right, name string, kind audit.Kind, handle handler) route {
		return route{right, handle, name, kind}
	}

	return map[string]route{
		"PUT /devices/{id}":             changes(access.RegistryWrite, "create device", audit.Device, a.limited(throttle.Registry, a.putDevice)),
		"GET /devices/{id}":             reads(access.RegistryRead, a.limited(throttle.Registry, a.getDevice)),
		"DELETE /devices/{id}":          changes(access.RegistryWrite, "delete device", audit.Device, a.limited(throttle.Registry, a.deleteDevice)),
		"GET /devices":                  reads(access.RegistryRead, a.limited(throttle.Registry, a.listDevices)),
		"POST /devices":                 changes(access.RegistryWrite, "change devices", audit.Device, a.bulkDevices),
		"DELETE /devices/{id}/commands": reads(access.ServiceConnect, a.purge),
		"POST /devices/keys/regenerate": changes(access.RegistryWrite, "renew keys", audit.Device, a.renewKeys),
		"POST /devices/query":           reads(access.ServiceRead, a.limited(throttle.Queries, a.query)),
		"GET /statistics/devices":       reads(access.RegistryRead, a.deviceStatistics),
		"GET /statistics/service":       reads(access.ServiceRead, a.serviceStatistics),
		"GET /twins/{id}":               reads(access.ServiceRead, a.limited(throttle.TwinReads, a.getTwin)),
		"PATCH /twins/{id}":             changes(access.ServiceConnect, "change twin", audit.Device, a.limited(throttle.TwinUpdates, a.patchTwin)),
		"PUT /twins/{id}":               changes(access.ServiceConnect, "replace twin", audit.Device, a.limited(throttle.TwinUpdates, a.putTwin)),
		"POST /twins/{id}/methods":      changes(access.ServiceConnect, "call method", audit.Device, a.invokeMethod),
		"PUT /jobs/v2/{id}":             changes(access.ServiceConnect, "create job", audit.Job, a.limited(throttle.JobOperations, a.putJob)),
		"GET /jobs/v2/{id}":             reads(access.ServiceRead, a.limited(throttle.JobOperations, a.getJob)),
		"POST /jobs/v2/{id}/cancel":     changes(access.ServiceConnect, "cancel job", audit.Job, a.limited(throttle.JobOperations, a.cancelJob)),
		"GET /jobs/v2/query":            reads(access.ServiceRead, a.limited(throttle.JobOperations, a.queryJobs)),
		"GET /jobs":                     reads(access.RegistryRead, a.listTransfers),

		"GET /certificates":           reads(access.RegistryRead, a.listAuthorities),
		"PUT /certificates/{name}":    changes(access.RegistryWrite, "add authority", audit.Authority, a.putAuthority),
		"DELETE /certificates/{name}": changes(access.RegistryWrite, "remove authority", audit.Authority, a.deleteAuthority),

		"PUT /invitations/doors/{id}": changes(access.RegistryWrite, "invite door", audit.Device, a.limited(throttle.Registry, a.inviteDoor)),

		"PUT /invitations/people/{id}":         changes(access.EveryRight, "invite person", audit.Policy, a.limited(throttle.Registry, a.invitePerson)),
		"POST /invitations/people/{id}/redeem": changes(access.Redeem, "redeem invitation", audit.Policy, a.limited(throttle.Registry, a.redeem)),
		"GET /policies":                        reads(access.EveryRight, a.limited(throttle.Registry, a.listPeople)),
		"DELETE /policies/{id}":                changes(access.EveryRight, "revoke person", audit.Policy, a.revoke),

		"GET /events": reads(access.ServiceRead, a.events),

		"GET /idScope":                                     reads(access.RegistryRead, a.idScope),
		"PUT /enrollments/{id}":                            changes(access.RegistryWrite, "create enrollment", audit.Enrollment, individual.put),
		"GET /enrollments/{id}":                            reads(access.RegistryRead, individual.get),
		"DELETE /enrollments/{id}":                         changes(access.RegistryWrite, "delete enrollment", audit.Enrollment, individual.delete),
		"POST /enrollments":                                changes(access.RegistryWrite, "change enrollments", audit.Enrollment, individual.bulk),
		"POST /enrollments/query":                          reads(access.RegistryRead, individual.query),
		"POST /enrollments/{id}/attestationmechanism":      reads(access.RegistryWrite, individual.attestation),
		"PUT /enrollmentGroups/{id}":                       changes(access.RegistryWrite, "create enrollment group", audit.Enrollment, groups.put),
		"GET /enrollmentGroups/{id}":                       reads(access.RegistryRead, groups.get),
		"DELETE /enrollmentGroups/{id}":                    changes(access.RegistryWrite, "delete enrollment group", audit.Enrollment, groups.delete),
		"POST /enrollmentGroups":                           changes(access.RegistryWrite, "change enrollment groups", audit.Enrollment, groups.bulk),
		"POST /enrollmentGroups/query":                     reads(access.RegistryRead, groups.query),
		"POST /enrollmentGroups/{id}/attestationmechanism": reads(access.RegistryWrite, groups.attestation),
		"GET /registrations/{id}":                          reads(access.RegistryRead, a.getRegistration),
		// The official SDK writes this one path in lower case.
		"POST /enrollmentgroups/{id}/attestationmechanism": reads(access.RegistryWrite, groups.attestation),
	}
}

// servedPaths lists the paths on which an unsupported HTTP method is refused with 405
// MethodNotAllowed. On all other paths, the answer is 404 NotFound.
var servedPaths = []string{
	"/devices", "/devices/{id}", "/devices/{id}/commands", "/statistics/devices", "/statistics/service",
	"/twins/{id}", "/twins/{id}/methods", "/jobs/v2/{id}", "/jobs/v2/{id}/cancel",
	"/events", "/certificates", "/certificates/{name}", "/invitations/doors/{id}",
	"/invitations/people/{id}", "/invitations/people/{id}/redeem", "/policies", "/policies/{id}",
	"/enrollments", "/enrollmentGroups",
	"/enrollments/{id}", "/enrollments/{id}/attestationmechanism",
	"/enrollmentGroups/{id}", "/enrollmentGroups/{id}/attestationmechanism",
}
