// Package api serves the hub's REST API for services: the part of IoT Hub's API that the
// official service SDKs, az and latchctl use. [New] returns it as an http.Handler.
//
//	PUT GET DELETE /devices/{id}      GET POST /devices         POST /devices/query
//	GET PATCH PUT /twins/{id}         POST /twins/{id}/methods
//	PUT GET /jobs/v2/{id}             POST /jobs/v2/{id}/cancel GET /jobs/v2/query
//	GET /statistics/devices           GET /statistics/service
//	PUT DELETE /certificates/{name}   GET /certificates         GET /events
//
// It also serves the enrollment API of Azure's provisioning service, and the API with
// which devices register over HTTPS. GET /events exists
// only in latchhub and returns a stream of server-sent events (see package feed).
//
// Guarantees:
//   - Each request must have an api-version (any date will do) and a shared access
//     signature. The policy that signs it must have the required right.
//   - An invalid request changes nothing.
//   - Typed members and parameters are read as leniently as IoT Hub reads them (see
//     [iothub.ReadJSON]). A value that IoT Hub does not know is refused by name.
//   - Every answer with a body is JSON. Refusals have IoT Hub's form and codes, so that
//     the SDKs convert them to their own error types.
//   - Requests to parts of IoT Hub's API that latchhub lacks get 501 NotImplemented.
package api
