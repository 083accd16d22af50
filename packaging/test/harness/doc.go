// Package harness runs the project's real programs in tests. Use Main to build them, then
// StartHub and StartDoor to run a hub and an agent.
//
// Guarantees:
//   - A program is started completely: StartHub and StartDoor wait until it is ready.
//   - No function sleeps. Tests wait for a line of output, for the end of a process, or
//     until the hub shows the expected state.
//   - Every process ends with the test, even if the test itself is killed.
//   - If a test fails, the output of its processes is logged.
package harness
