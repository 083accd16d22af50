package api

import (
	"context"
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

// maxDevices is the maximum number of identities in a list, as IoT Hub documents it.
const maxDevices = 1000

// putDevice creates a device identity. If the request has an If-Match header, putDevice
// updates an existing identity instead.
func (a *api) putDevice(w http.ResponseWriter, r *http.Request) error {
	var d iothub.DeviceIdentity
	if err := read(w, r, &d); err != nil {
		return err
	}

	id := r.PathValue("id")
	if d.DeviceID == "" {
		d.DeviceID = id
	}
	if d.DeviceID != id {
		return invalid("deviceId is %q in the body and %q in the URL", d.DeviceID, id)
	}

	var err error
	if etag, given := ifMatch(r); given {
		changesOf(r.Context()).whole.Action = "update device"
		d, err = a.updateDevice(r.Context(), d, etag)
	} else {
		d, err = a.createDevice(r.Context(), d, iothub.TwinPatch{})
	}
	if err != nil {
		return err
	}

	setETag(w, d.ETag)
	return a.answer(w, newDeviceBody(d))
}

// createDevice creates a device identity and the device's twin.
func (a *api) createDevice(ctx context.Context, d iothub.DeviceIdentity, twin iothub.TwinPatch) (iothub.DeviceIdentity, error) {
	if err := checkEdge(d, iothub.DeviceIdentity{}); err != nil {
		return d, err
	}
	return a.Store.CreateDeviceWithTwin(ctx, d, twin)
}

// checkEdge refuses to make a device an IoT Edge device or the child of one. An Edge
// device needs modules and configurations, which this hub does not have. Earlier
// releases accepted Edge devices. Such a device can still be changed and disabled.
func checkEdge(d, before iothub.DeviceIdentity) error {
	switch {
	case d.Capabilities.IotEdge && !before.Capabilities.IotEdge:
		return invalid("capabilities.iotEdge is true, but this hub does not support IoT Edge devices")
	case d.DeviceScope != "":
		return invalid("deviceScope is %q, but this hub does not support children of IoT Edge devices", d.DeviceScope)
	}
	return nil
}

// updateDevice updates a device identity. It closes the device's connection if the
// update disables the device or changes its credentials.
func (a *api) updateDevice(ctx context.Context, d iothub.DeviceIdentity, etag string) (iothub.DeviceIdentity, error) {
	before, err := a.Store.Device(ctx, d.DeviceID)
	if err != nil {
		return d, err
	}
	if err := checkEdge(d, before); err != nil {
		return d, err
	}
	after, err := a.Store.UpdateDevice(ctx, d, etag)
	if err != nil {
		return d, err
	}

	if after.Status != iothub.Enabled || !sameCredentials(before.Authentication, after.Authentication) {
		a.Broker.Disconnect(d.DeviceID)
	}
	return after, nil
}

func (a *api) getDevice(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Store.Device(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	setETag(w, d.ETag)
	return a.answer(w, newDeviceBody(d))
}

func (a *api) deleteDevice(w http.ResponseWriter, r *http.Request) error {
	if err := a.removeDevice(r.Context(), r.PathValue("id"), ifMatchOrAny(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// removeDevice deletes a device identity, disconnects the device and deletes its
// MQTT session.
func (a *api) removeDevice(ctx context.Context, id, etag string) error {
	if err := a.Store.DeleteDevice(ctx, id, etag); err != nil {
		return err
	}
	return a.Broker.Forget(context.WithoutCancel(ctx), id)
}

func (a *api) listDevices(w http.ResponseWriter, r *http.Request) error {
	top := maxDevices
	if err := readParameter(r, "top", &top); err != nil {
		return err
	}
	if top < 1 || top > maxDevices {
		return invalid("top is %d, want 1 to %d", top, maxDevices)
	}

	devices, err := a.Store.Devices(r.Context(), top)
	if err != nil {
		return err
	}

	list := make([]deviceBody, len(devices))
	for i, d := range devices {
		list[i] = newDeviceBody(d)
	}
	return a.answer(w, list)
}

func (a *api) deviceStatistics(w http.ResponseWriter, r *http.Request) error {
	n, err := a.Store.Statistics(r.Context())
	if err != nil {
		return err
	}
	return a.answer(w, map[string]int{
		"totalDeviceCount": n.Total, "enabledDeviceCount": n.Enabled, "disabledDeviceCount": n.Disabled,
	})
}

func (a *api) serviceStatistics(w http.ResponseWriter, r *http.Request) error {
	n, err := a.Store.Statistics(r.Context())
	if err != nil {
		return err
	}
	return a.answer(w, map[string]int{"connectedDeviceCount": n.Connected})
}

func sameCredentials(a, b *iothub.Authentication) bool {
	if a == nil || b == nil {
		return a == b
	}
	same := func(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
	return a.Type == b.Type && a.SymmetricKey == b.SymmetricKey &&
		same(a.X509Thumbprint.PrimaryThumbprint, b.X509Thumbprint.PrimaryThumbprint) &&
		same(a.X509Thumbprint.SecondaryThumbprint, b.X509Thumbprint.SecondaryThumbprint)
}
