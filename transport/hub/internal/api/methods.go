package api

import (
	"context"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// methodMeter is the unit, in bytes, in which IoT Hub meters direct methods. A payload
// of up to 4 KiB counts as one call against the tier's limit, 8 KiB as two.
const methodMeter = 4 << 10

// invokeMethod calls a direct method and waits for the device's answer.
func (a *api) invokeMethod(w http.ResponseWriter, r *http.Request) error {
	var method iothub.MethodRequest
	if err := read(w, r, &method); err != nil {
		return methodError{err}
	}

	change := &changesOf(r.Context()).whole
	change.Method = method.MethodName
	response, err := a.callDevice(r.Context(), r.PathValue("id"), method)
	if err != nil {
		return methodError{err}
	}

	change.Status = response.Status
	return a.answer(w, response)
}

// callDevice checks the request and calls the direct method on the device. If the
// request has a connect timeout, callDevice first waits for the device to connect.
func (a *api) callDevice(ctx context.Context, id string, method iothub.MethodRequest) (iothub.MethodResponse, error) {
	if err := method.Check(); err != nil {
		return iothub.MethodResponse{}, invalid("%v", err)
	}
	if err := method.CheckPayload(); err != nil {
		return iothub.MethodResponse{}, invalid("%v", err)
	}
	if err := a.Throttle.Take(throttle.Methods, max(1, (len(method.Payload)+methodMeter-1)/methodMeter)); err != nil {
		return iothub.MethodResponse{}, err
	}
	if _, err := a.Store.Device(ctx, id); err != nil {
		return iothub.MethodResponse{}, err
	}

	if method.ConnectTimeoutInSeconds > 0 {
		if err := a.waitForDevice(ctx, id, method.ConnectTimeoutInSeconds); err != nil {
			return iothub.MethodResponse{}, err
		}
	}

	type outcome struct {
		response iothub.MethodResponse
		err      error
	}
	done := make(chan outcome, 1)
	a.Broker.Invoke(id, method, func(response iothub.MethodResponse, err error) { done <- outcome{response, err} })
	select {
	case o := <-done:
		return o.response, o.err
	case <-ctx.Done():
		return iothub.MethodResponse{}, ctx.Err()
	}
}

// waitForDevice waits until the device is connected and subscribed to direct methods.
func (a *api) waitForDevice(ctx context.Context, id string, seconds int) error {
	waiting, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer cancel()

	err := a.Broker.Wait(waiting, id)
	switch {
	case ctx.Err() != nil: // the client has disconnected
		return ctx.Err()
	case err != nil:
		return iothub.Errorf(iothub.CodeDeviceNotOnline, "device %s was not online within %d s", id, seconds)
	}
	return nil
}
