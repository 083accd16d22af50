// Package api serves the hub's REST API for services: the part of IoT Hub's API that
// the official service SDKs, az and latchctl use. [New] returns it as an
// http.Handler.
//
//	PUT GET DELETE /devices/{id}      GET POST /devices         POST /devices/query
//	GET PATCH PUT /twins/{id}         POST /twins/{id}/methods
//	PUT GET /jobs/v2/{id}             POST /jobs/v2/{id}/cancel GET /jobs/v2/query
//	GET /statistics/devices           GET /statistics/service
//	PUT DELETE /certificates/{name}   GET /certificates         GET /events
//
// It also serves the enrollment API of Azure's provisioning service. GET /events
// exists only in latchhub and returns a stream of server-sent events (see package feed).
//
// Guarantees:
//   - A request needs an api-version, of any date, and a shared access signature of a
//     policy that has the required right.
//   - A request that cannot be understood changes nothing.
//   - Every answer with a body is JSON. Refusals have the form and the codes that the
//     SDKs map to their own error types.
//   - Known parts of IoT Hub's API that latchhub lacks answer 501 NotImplemented.
package api
