// Package feed streams the hub's events to HTTP clients as server-sent events. Create a
// feed with [New], report events with [Feed.Telemetry], [Feed.Change] and [Feed.Job],
// and answer each client's request with [Feed.Serve]. The feed exists only in latchhub;
// IoT Hub delivers the same events through an Event Hub.
//
//	event: lifecycle
//	data: {"time":"2026-01-01T12:00:00Z","deviceId":"front","operation":"deviceConnected"}
//
// Every event has the member time. The kinds of events, and their other members, are:
//
//   - telemetry, a message from a device: deviceId, properties, and the message's
//     content as body (if it is JSON), text (if it is UTF-8) or base64;
//   - twin, a stored change of a twin: deviceId, operation (updateTwin or replaceTwin),
//     and twin, which contains a patch with the new version for each changed section;
//   - lifecycle: deviceId, and operation, which is createDeviceIdentity,
//     deleteDeviceIdentity, deviceConnected or deviceDisconnected;
//   - job: job, in the service API's form without its method or twin patch.
//
// Guarantees:
//
//   - The first event is ready. From then on the client receives every event. If events
//     are lost, it receives an end event that says so.
//   - The last event is end, with the reason: the client reads too slowly, its token has
//     expired, its access has been revoked, or the hub is stopping.
//   - Each event except end has an id. A client that connects again within two minutes
//     sends the latest id in the header Last-Event-ID. If its event ready has "resumed":true,
//     no event is missing. Otherwise the client must read the current state from the API: the
//     feed keeps only the latest megabyte of events, in memory.
//   - Events arrive in the order in which they happened. If a job reports its progress
//     several times, a slow client may receive only the latest report.
//   - A slow client never delays the hub. The number of clients and the bytes that wait
//     for each of them are bounded.
package feed
