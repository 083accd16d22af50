package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/admission"
	"github.com/latchd/latchd/transport/hub/internal/audit"
	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// readTimeout is how long a client may take to send a request's body, and writeTimeout
// how long it may take to receive the answer. Neither includes the time in which the
// hub works on the request.
const (
	readTimeout  = time.Minute
	writeTimeout = time.Minute
)

// ServeHTTP answers one request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // remove the deadline that the previous request on this connection has set
	if r.Body != http.NoBody {
		_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	}
	w = &deadlineWriter{w, control}

	// Every answer carries the request's id. The hub logs the same id with each failure.
	w.Header().Set("x-ms-request-id", uuid.NewString())
	w.Header().Set(iothub.HubIDHeader, string(a.HubID))

	err := a.checkHubID(r)
	if err == nil {
		r, err = canonical(r)
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// checkHubID refuses a request that names another hub, whatever the request is. It comes
// before the check of the token: hubs that know the same keys, such as a hub and its
// restored copy, would accept the token.
func (a *api) checkHubID(r *http.Request) error {
	id := r.Header.Get(iothub.HubIDHeader)
	if id == "" || id == string(a.HubID) {
		return nil
	}
	return iothub.Errorf(iothub.CodePreconditionFailed, "the request is for the hub %.128q, but this hub has the id %q", id, a.HubID)
}

// canonical returns the request in the form that the routes have:
//
//   - The path has no slash at the end.
//   - POST with the header "X-HTTP-Method-Override: PATCH" is PATCH. The Java SDK sends
//     this header, because Java's HTTP client cannot send PATCH. Other uses of the header
//     are refused, so that it cannot turn a request into a deletion.
func canonical(r *http.Request) (*http.Request, error) {
	canonical := *r
	if override := r.Header.Get("X-HTTP-Method-Override"); override != "" {
		if r.Method != http.MethodPost || !strings.EqualFold(override, http.MethodPatch) {
			return r, invalid("X-HTTP-Method-Override is %q on %s, this hub supports only PATCH on POST", override, r.Method)
		}
		canonical.Method = http.MethodPatch
	}

	if path := r.URL.EscapedPath(); path != "/" && strings.HasSuffix(path, "/") {
		canonical.URL = new(url.URL)
		*canonical.URL = *r.URL
		canonical.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
		canonical.URL.RawPath = strings.TrimSuffix(r.URL.RawPath, "/")
	}
	return &canonical, nil
}

// deadlineWriter is a ResponseWriter that sets the connection's write deadline when it
// begins to write the answer.
type deadlineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *deadlineWriter) WriteHeader(status int) {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the original ResponseWriter, which http.ResponseController needs.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handler answers a request. If it returns an error, the caller sends the error as the
// answer.
type handler func(w http.ResponseWriter, r *http.Request) error

var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-[A-Za-z]+)?$`)

// guard returns a handler that checks a request before it calls the route's handler. The
// request must have an api-version, and a token whose policy has the route's right. The
// handler also records what the request changes, even if the request fails. A request of a
// person ends when the person's access is revoked.
func (a *api) guard(route route) http.Handler {
	return a.wrap(func(w http.ResponseWriter, r *http.Request) error {
		authorization := r.Header.Get("Authorization")
		ctx, end := a.People.Begin(r.Context(), access.ClaimedPolicy(authorization))
		defer end()
		r = r.WithContext(ctx)

		policy, err := a.Access.CheckService(authorization, route.right, a.Now())
		result := errors.New("panic") // stays if the handler panics
		if policy != "" && route.change != "" {
			var changes *changes
			r, changes = withChanges(r, route)
			defer func() { a.record(audit.Client{Policy: policy, Address: r.RemoteAddr}, changes, result) }()
		}

		if err == nil {
			admission.AuthorizeRequest(r, policy)
			err = checkAPIVersion(r)
		}
		if err == nil && route.right != access.Redeem {
			err = a.People.Used(ctx, policy)
		}
		if err == nil {
			err = route.handle(w, r)
		}
		if revoked, ok := errors.AsType[*iothub.Error](context.Cause(ctx)); ok && err != nil {
			err = revoked
		}
		result = err
		return err
	})
}

func checkAPIVersion(r *http.Request) error {
	if v := parameter(r, "api-version"); !apiVersion.MatchString(v) {
		return invalid("api-version is %q, want a date such as %s", v, iothub.APIVersion)
	}
	return nil
}

// limited returns a handler that counts each request as one operation of the given kind
// against the tier's limits.
func (a *api) limited(kind throttle.Kind, handle handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.Throttle.Take(kind, 1); err != nil {
			return err
		}
		return handle(w, r)
	}
}

// wrap converts handle to an http.Handler. The http.Handler answers with an error if
// handle returns an error or panics.
func (a *api) wrap(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				a.Logger.Error("panic in a request", zap.String("path", logtext.Cut(r.URL.Path)), zap.Any("panic", p),
					zap.ByteString("stack", debug.Stack()))
				a.refuse(w, r, errors.New("panic"))
			}
		}()

		if err := handle(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}
