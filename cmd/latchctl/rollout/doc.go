// Package rollout leads a method or a change of twins through a fleet in waves,
// on plain jobs of the hub, and stops where too many devices fail.
//
// What it promises:
//
//   - The devices, their order, and the id of every job are fixed in a file before
//     the first job is created. Whatever ends the process, the rollout is taken up
//     where it was: a job that may have been created is looked for under its id, so
//     that no device is called twice.
//   - A wave is judged by its devices' rows, by the one judgement that there is
//     ([iothub.DeviceJob.Judge]), and, if that is asked for, by a condition that
//     must hold for its devices' twins after a while.
//   - To stop is not to schedule: no job is cancelled, as a hub cancels none that
//     runs.
//
// [Step] is the whole of its logic, from one state and an event to the next state
// and what is to be done; it does nothing itself. [Run] does it.
package rollout
