// Package systemd talks to the service manager that started the process, over
// the interfaces that systemd documents as stable: the notification socket with
// its file descriptor store, the watchdog, credentials and the journal's native
// protocol. The unit files stand beside it.
//
// What the package promises:
//   - Without systemd all of it does nothing and is no error, so a program calls
//     it in any case.
//   - Nothing waits for systemd or the journal without a bound, so that neither
//     can hold up a door.
//   - The watchdog is fed by the main loop's answers, never by a timer alone.
package systemd
