// Package systemd talks to the service manager that started the process. Use
// [FromEnvironment] to get a [Manager], which sends notifications and stores open
// files. [Feed] serves the watchdog, [Credential] finds secret files, and [JournalCore]
// writes logs. The unit files are in the same directory.
//
// The package uses only interfaces that systemd documents as stable.
//
// Guarantees:
//   - Without systemd, every function returns without effect and without an error, so
//     programs need no checks.
//   - No function waits for systemd or the journal for an unlimited time, so neither
//     can delay a door.
//   - Feed notifies the watchdog only after the main loop has answered. A timer alone
//     never does.
package systemd
