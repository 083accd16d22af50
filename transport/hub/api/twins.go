package api

import (
	"context"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/hub/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// meter is the size in which the payloads of methods are counted.
const meter = 4 << 10

func (a *api) getTwin(w http.ResponseWriter, r *http.Request) error {
	twin, err := a.Store.Twin(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	setETag(w, twin.ETag)
	return a.answer(w, twin)
}

func (a *api) patchTwin(w http.ResponseWriter, r *http.Request) error {
	return a.changeTwin(w, r, false)
}

func (a *api) putTwin(w http.ResponseWriter, r *http.Request) error {
	return a.changeTwin(w, r, true)
}

func (a *api) changeTwin(w http.ResponseWriter, r *http.Request, replace bool) error {
	var patch iothub.TwinPatch
	if err := read(w, r, &patch); err != nil {
		return err
	}
	etag, given := ifMatch(r)
	if !given {
		etag = "*"
	}
	id := r.PathValue("id")
	twin, err := a.Store.UpdateTwin(r.Context(), id, patch, etag, replace, func(desired iothub.Object) {
		a.Broker.SendDesired(id, desired)
	})
	if err != nil {
		return err
	}
	setETag(w, twin.ETag)
	return a.answer(w, twin)
}

// invoke calls a direct method and waits for the device's answer.
func (a *api) invoke(w http.ResponseWriter, r *http.Request) error {
	response, err := a.call(w, r)
	if err != nil {
		return methodError{err}
	}
	return a.answer(w, response)
}

func (a *api) call(w http.ResponseWriter, r *http.Request) (iothub.MethodResponse, error) {
	var m iothub.MethodRequest
	if err := read(w, r, &m); err != nil {
		return iothub.MethodResponse{}, err
	}
	if err := m.Check(); err != nil {
		return iothub.MethodResponse{}, invalid("%v", err)
	}
	if err := a.Throttle.Take(throttle.Methods, max(1, (len(m.Payload)+meter-1)/meter)); err != nil {
		return iothub.MethodResponse{}, err
	}
	ctx, id := r.Context(), r.PathValue("id")
	if _, err := a.Store.Device(ctx, id); err != nil {
		return iothub.MethodResponse{}, err
	}
	if m.ConnectTimeoutInSeconds > 0 {
		wait, cancel := context.WithTimeout(ctx, time.Duration(m.ConnectTimeoutInSeconds)*time.Second)
		err := a.Broker.Wait(wait, id)
		cancel()
		if ctx.Err() != nil {
			return iothub.MethodResponse{}, ctx.Err()
		}
		if err != nil {
			return iothub.MethodResponse{}, iothub.Errorf(iothub.CodeDeviceNotOnline,
				"device %s was not online within %d s", id, m.ConnectTimeoutInSeconds)
		}
	}
	type end struct {
		response iothub.MethodResponse
		err      error
	}
	ended := make(chan end, 1)
	a.Broker.Invoke(id, m, func(response iothub.MethodResponse, err error) { ended <- end{response, err} })
	select {
	case e := <-ended:
		return e.response, e.err
	case <-ctx.Done():
		return iothub.MethodResponse{}, ctx.Err()
	}
}
