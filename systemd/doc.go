// Package systemd talks to the service manager that started the process. Use
// [FromEnvironment] to get a [Manager], which sends notifications and stores open
// files; [Feed] serves the watchdog, [Credential] finds secret files and
// [JournalCore] writes logs. The unit files are in the same directory.
//
// The package uses only interfaces that systemd documents as stable.
//
// Guarantees:
//   - Without systemd every function returns without effect and without an error,
//     so programs need no checks.
//   - No function waits for systemd or the journal without a bound, so neither of
//     them can delay a door.
//   - The watchdog is fed only when the main loop has answered, never by a timer
//     alone.
package systemd
