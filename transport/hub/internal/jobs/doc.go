// Package jobs runs the hub's jobs. A job calls a direct method or applies a twin update
// on every device that a condition selects, at once or at a scheduled time. Use Start to
// make an Engine, then Create, Job, Jobs and Cancel.
//
// # Guarantees
//
// Each step of a job is durable before it takes effect. When a job starts, the hub first
// evaluates its condition, without delaying other writes. Then one write stores the job as
// running and a pending row for each selected device; the set of devices does not change
// afterwards. A job whose condition takes too long fails. A device's row is stored as running before the
// method is sent to the device. A row ends exactly once, with the device's answer or
// with an error. If the hub stops at any moment, then after its restart:
//
//   - A row that was running without a stored answer fails with
//     [iothub.CodeOutcomeUnknown]. The device may have been called; this job never calls
//     it again.
//   - Pending rows continue. A device that is not connected has 30 s to reconnect, or its
//     connect timeout if that is longer, before its row fails as offline.
//   - Twin updates whose result was not stored are applied again. This does not change a
//     twin that already has the update.
//   - A scheduled job starts at its time, or at once if that time has passed.
//
// A job is completed when all of its rows have ended, whether they succeeded or failed,
// or when its maximum execution time has passed; this is IoT Hub's documented rule. The
// maximum execution time counts from the requested start time, even if the job starts
// later. So a job that was due while the hub was down does not unlock a door hours
// later.
//
// # Design
//
// One goroutine owns all jobs. Other goroutines report answers and commits to it through
// a mailbox, which never blocks the sender. Each job has at most one write in progress.
// What happens during a write is stored by the next one: new answers, and rows that
// become running. Jobs that have not started take little memory, because the engine
// parses a job when it is due.
//
// The number of recent calls is bounded by a window, which all jobs share equally. A call
// leaves the window after 2 s, so that devices that do not answer cannot delay other
// devices; the number of unanswered calls has a larger bound. If the hub simulates a tier
// of IoT Hub, the number of active jobs and the number of devices per second are bounded
// too.
package jobs
