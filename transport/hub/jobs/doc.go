// Package jobs runs the hub's jobs: a direct method or a twin update on every
// device that a condition selects, now or at a set time.
//
// # What it promises
//
// A job's life is on disk before it happens. When a job starts, its devices are
// fixed: one durable write holds the job as running and a pending row for each.
// A device's row is running on disk before its method goes out, and it ends once,
// with the device's answer or with an error. So, whenever the hub dies:
//
//   - a row that was running without a stored answer fails as
//     [iothub.CodeOutcomeUnknown]: the device may have been called, and it is
//     never called again for that job;
//   - pending rows go on, and devices that have not come back yet are given
//     a while before they count as offline;
//   - twin updates are applied again, which changes nothing that they had changed;
//   - scheduled jobs start at their time, or at once when it has passed.
//
// A job ends as completed when every row has ended, however the rows ended, or
// when its maximum execution time is over, as IoT Hub's documentation has it. That
// time counts from the start that was asked for, not from a later one: a door is
// not moved in the afternoon because the hub was down at night.
//
// # How it works
//
// One goroutine owns every job. Answers, commits and timers reach it as functions
// in a mailbox that never blocks the sender. Of each job one write is on its way
// at a time, and it takes all that has come up since the last: answers to store
// and rows to set to running. The number of calls under way is bounded. A hub
// that stands in for a tier of IoT Hub bounds the active jobs and the devices that
// they work on in a second too.
package jobs
