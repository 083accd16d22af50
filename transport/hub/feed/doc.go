// Package feed tells whoever listens what happens in the hub, as server-sent
// events. It is latchhub's own: of IoT Hub the same is read from an Event Hub.
//
//	event: lifecycle
//	data: {"time":"2026-01-01T12:00:00Z","deviceId":"front","operation":"deviceConnected"}
//
// The kinds of events, and what they have beside their time:
//
//   - telemetry: a message of a device: deviceId, properties, and the body as
//     body if it is JSON, else as text, else as base64;
//   - twin: a change that is stored: deviceId, operation (updateTwin, replaceTwin),
//     and twin, with the part that was changed, as in a patch, and the new
//     version of what has one;
//   - lifecycle: deviceId, and operation: createDeviceIdentity,
//     deleteDeviceIdentity, deviceConnected or deviceDisconnected;
//   - job: job, as the service API shows it, without what it does.
//
// A listener first gets the event ready: what happens from then on it is told, or
// told that it was not. The last event is end, with the reason: a listener that
// reads too slowly, a token that has run out, a hub that stops. There is no
// replay: who comes back reads the state anew from the API.
//
// Events of one device come in the order in which they happened. Of a job's
// progress a listener may get only the latest. A listener costs no more than its
// bound, and nobody who makes events ever waits for one.
package feed
