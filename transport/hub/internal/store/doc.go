// Package store keeps the embedded hub's durable state in one SQLite file: device
// identities, twins, MQTT sessions, jobs, enrollments and certificate authorities. Use
// [Open] to open the file; the methods of [Store] read and write it.
//
// # Guarantees
//
//   - An answered write survives a power cut. The file is in WAL mode with
//     synchronous=FULL, and a write is answered only after its COMMIT.
//   - Writes run in the order in which they were queued. One goroutine commits all
//     queued writes in one transaction, so that a thousand devices share one disk flush.
//   - If a write fails, only its own changes are undone. Each write has its own
//     savepoint.
//   - Connections for reading cannot write. A reader sees the last commit and never
//     waits for a writer.
//   - Queries of services and conditions of jobs run on connections of their own, for a
//     bounded time. Logins, writes and other short reads never wait for them.
//   - The versions and etags of a device only increase.
//   - Only the file's owner can read the file, because it holds the devices' keys.
//   - Refusals are of type *iothub.Error with IoT Hub's code.
package store
