// Package harness runs the project's real programs in tests. Use Main to build them,
// then StartHub and StartDoor to run a hub and an agent.
//
// Guarantees:
//   - StartHub and StartDoor return when the started program is ready for use.
//   - No function sleeps for a fixed time. Tests wait for a line of output, for the end
//     of a process, or until the hub shows the expected state.
//   - Every process ends with the test, even if the test itself is killed.
//   - If a test fails, the output of its processes is logged.
package harness
