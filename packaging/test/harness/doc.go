// Package harness runs the project's real binaries for tests: it builds them,
// starts them, waits for the lines that say they are ready, ends them in the
// way that a test wants, and shows what they printed if the test fails.
//
// Nothing in it waits by sleeping: a test waits for a line, for a process to
// end, or for the hub to show what is expected of it. Every process dies with
// the test, also if the test is killed.
package harness
