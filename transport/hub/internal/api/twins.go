package api

import (
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

func (a *api) getTwin(w http.ResponseWriter, r *http.Request) error {
	twin, err := a.Store.Twin(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	setETag(w, twin.ETag)
	return a.answer(w, twin)
}

// patchTwin applies the patch in the request's body to a twin.
func (a *api) patchTwin(w http.ResponseWriter, r *http.Request) error {
	return a.changeTwin(w, r, false)
}

// putTwin replaces the tags and desired properties of a twin with those in the request's
// body.
func (a *api) putTwin(w http.ResponseWriter, r *http.Request) error {
	return a.changeTwin(w, r, true)
}

func (a *api) changeTwin(w http.ResponseWriter, r *http.Request, replace bool) error {
	var patch iothub.TwinPatch
	if err := read(w, r, &patch); err != nil {
		return err
	}

	id := r.PathValue("id")
	twin, err := a.Store.UpdateTwin(r.Context(), id, patch, ifMatchOrAny(r), replace, func(desired iothub.Object) {
		a.Broker.SendDesired(id, desired)
	})
	if err != nil {
		return err
	}

	setETag(w, twin.ETag)
	return a.answer(w, twin)
}
