// Package api is the hub's service front: the part of IoT Hub's REST API that
// the official service SDKs, az and latchctl use, as an http.Handler.
//
//	PUT GET DELETE /devices/{id}      GET POST /devices        POST /devices/query
//	GET PATCH PUT /twins/{id}         POST /twins/{id}/methods
//	PUT GET /jobs/v2/{id}             POST /jobs/v2/{id}/cancel GET /jobs/v2/query
//	GET /statistics/devices           GET /statistics/service
//	PUT DELETE /certificates/{name}   GET /certificates       GET /events
//
// GET /events is latchhub's own, a stream of server-sent events; see package feed.
//
// Parts of IoT Hub's API that are not here are answered with 501 NotImplemented.
//
// Every request needs an api-version, of any date, and a shared access
// signature of a policy that has the right for it. Every answer that is not empty
// is JSON; refusals have the shape and codes that the SDKs map to their own error
// types. A request that cannot be understood changes nothing.
package api
