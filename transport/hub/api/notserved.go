package api

import "net/http"

// notServed are the parts of IoT Hub's API that this hub knows of and does not
// have. They are refused by name, so that nobody looks for a wrong address.
var notServed = map[string]string{
	"/messages/{rest...}":                     "cloud-to-device messages are not served, use direct methods or desired properties",
	"/devices/{id}/messages/{rest...}":        "cloud-to-device messages are not served, use direct methods or desired properties",
	"/devices/{id}/messages/events":           "devices send their messages by MQTT, not by HTTPS",
	"/devices/{id}/files/{rest...}":           "file upload is not served",
	"/devices/{id}/modules":                   "modules are not served",
	"/devices/{id}/modules/{rest...}":         "modules are not served",
	"/twins/{id}/modules/{rest...}":           "modules are not served",
	"/devices/{id}/applyConfigurationContent": "configurations are not served, use jobs",
	"/configurations":                         "configurations are not served, use jobs",
	"/configurations/{rest...}":               "configurations are not served, use jobs",
	"/jobs":                                   "import and export of identities are not served, use bulk changes and the list",
	"/jobs/{id}":                              "import and export of identities are not served, use bulk changes and the list",
	"/digitaltwins/{rest...}":                 "digital twins are not served, use twins and direct methods",
}

// purge empties a device's queue of cloud-to-device messages, in which there is
// never one.
func (a *api) purge(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Store.Device(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, map[string]any{"deviceId": d.DeviceID, "moduleId": nil, "totalMessagesPurged": 0})
}
