package api

import "net/http"

// notServed lists parts of IoT Hub's API that latchhub lacks, with an explanation for
// the client. Without the explanation, a 404 would look like a wrong address. A path that
// ends in {rest...} also stands for the path before it.
var notServed = map[string]string{
	"/messages/{rest...}":                     "cloud-to-device messages are not supported: use direct methods or desired properties",
	"/devices/{id}/messages/{rest...}":        "cloud-to-device messages are not supported: use direct methods or desired properties",
	"/devices/{id}/messages/events":           "devices must send messages over MQTT, not over HTTPS",
	"/devices/{id}/files/{rest...}":           "file upload is not supported",
	"/devices/{id}/modules/{rest...}":         "modules are not supported",
	"/twins/{id}/modules/{rest...}":           "modules are not supported",
	"/devices/{id}/applyConfigurationContent": "configurations are not supported: use jobs",
	"/configurations/{rest...}":               "configurations are not supported: use jobs",
	"/jobs":                                   "import and export jobs are not supported, list devices and change them in bulk",
	"/jobs/{id}":                              "import and export jobs are not supported, list devices and change them in bulk",
	"/digitaltwins/{rest...}":                 "digital twins are not supported: use twins and direct methods",
	"/registrations/{id}":                     "only the request GET is supported for registrations",
	"/registrations/{id}/query":               "the registrations of a group cannot be listed: list its devices",
}

// purge answers a request to empty a device's queue of cloud-to-device messages.
// latchhub has no such messages, so the answer always says that none were deleted.
func (a *api) purge(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Store.Device(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, map[string]any{"deviceId": d.DeviceID, "moduleId": nil, "totalMessagesPurged": 0})
}
