// Package rollout applies a method or a twin change to a fleet of devices in waves, and
// aborts if too many devices fail. Each wave consists of ordinary jobs of the hub. Use
// [New] to plan a rollout and [Run] to carry it out.
//
// Guarantees:
//   - A file holds the devices, their order and the id of every job before the first
//     job is created. A rollout that was interrupted continues where it was: it looks for
//     a job by its id before it creates the job, so no device is called twice.
//   - The rows of its devices decide whether a wave passes, as judged by
//     [iothub.DeviceJob.Judge]. A pending device counts as failed, and a resumed rollout
//     calls it again to learn whether it has succeeded by then. A rollout can also require
//     that the devices' twins meet a condition after the soak time.
//   - To stop a rollout means to create no further jobs. A running job completes, because
//     a hub cannot cancel it.
//
// [Step] contains all the logic as a pure function: it maps a state and an event to the
// next state and the next action. [Run] performs the actions.
package rollout
