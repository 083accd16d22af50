// Package rollout applies a method or a twin change to many devices in waves (groups of
// devices), and aborts if too many devices fail. Each wave consists of ordinary jobs of
// the hub. Use [New] to plan a rollout and [Run] to execute it.
//
// Guarantees:
//   - An interruption never makes a rollout call a device twice. Before the first job is
//     created, a file on disk holds the devices, their order and the id of every job. An
//     interrupted rollout continues where it was, and looks for a job by its id before it
//     creates the job.
//   - A wave passes or fails by the results of its devices, as judged by
//     [iothub.DeviceJob.Judge]. A pending device counts as failed. A resumed rollout calls
//     it again, to learn whether it has succeeded since.
//   - A rollout continues only on its own hub; see [Rollout.ClaimHub].
//   - A user can leave out devices that cannot be repaired; see [Rollout.Skip]. A wave is
//     still tried on as many devices as planned, if there are any left.
//   - A device that is deleted from the registry during the rollout is left out. It counts
//     neither as succeeded nor as failed.
//   - A rollout can also require that the devices' twins meet a condition after the soak
//     time (the wait after a wave).
//   - A rollout that is stopped creates no further jobs. Its running job completes,
//     because a hub cannot cancel a running job.
//
// [Step] contains all the logic as a pure function: it maps a state and an event to the
// next state and the next action. [Run] performs the actions.
package rollout
