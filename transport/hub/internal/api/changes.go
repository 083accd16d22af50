package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/latchd/latchd/transport/hub/internal/audit"
	"github.com/latchd/latchd/transport/iothub"
)

// changes collects what a request changes, for the log of changes.
type changes struct {
	whole audit.Change   // the request as a whole
	parts []audit.Change // its parts; empty if the request has no parts
}

type changesKey struct{}

// withChanges returns a copy of a request that carries the changes that it makes. At
// first, these are the name of the route's change and the id in the request's path.
func withChanges(r *http.Request, route route) (*http.Request, *changes) {
	c := &changes{whole: audit.Change{Action: route.change, Kind: route.kind}}
	for _, name := range []string{"id", "name"} {
		if id := r.PathValue(name); id != "" {
			c.whole.IDs = []string{id}
		}
	}
	return r.WithContext(context.WithValue(r.Context(), changesKey{}, c)), c
}

// changesOf returns the changes that a request carries. Handlers add details to them.
func changesOf(ctx context.Context) *changes {
	if c, ok := ctx.Value(changesKey{}).(*changes); ok {
		return c
	}
	return new(changes) // nobody reads it
}

// add adds a part of the request with its result. Parts that differ only in their ids
// become one part.
func (c *changes) add(action, id string, err error) {
	part := audit.Change{Action: action, Kind: c.whole.Kind, Result: resultOf(err)}
	i := slices.IndexFunc(c.parts, func(p audit.Change) bool { return p.Action == part.Action && p.Result == part.Result })
	if i < 0 {
		i = len(c.parts)
		c.parts = append(c.parts, part)
	}
	c.parts[i].IDs = append(c.parts[i].IDs, id)
}

// record writes the changes of a request to the log of changes. err is the error with which
// the request failed, or nil.
func (a *api) record(client audit.Client, c *changes, err error) {
	for _, part := range c.parts {
		a.Audit.Record(client, part)
	}
	if err != nil || len(c.parts) == 0 {
		c.whole.Result = resultOf(err)
		a.Audit.Record(client, c.whole)
	}
}

// resultOf returns the result of a change in the log of changes.
func resultOf(err error) string {
	if err == nil {
		return audit.Done
	}
	if refusal, ok := errors.AsType[*iothub.Error](err); ok {
		return string(refusal.Code)
	}
	if errors.Is(err, context.Canceled) { // the client has disconnected
		return string(iothub.CodeOutcomeUnknown)
	}
	return string(iothub.CodeServerError)
}
