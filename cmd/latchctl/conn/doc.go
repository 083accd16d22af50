// Package conn decides which hub latchctl connects to. Use [LoadConfig] to read the
// user's config file, then [Resolve] to combine it with the flags and the environment.
//
// Guarantees:
//   - Flags take precedence over the environment, and the environment over the default
//     hub of the config file.
//   - A hub of the config file has its own endpoint and CA file. LATCHCTL_ENDPOINT and
//     LATCHCTL_CA_FILE apply only if a flag or another variable chooses the hub.
//   - Keys come from files or the environment, never from the command line. No error
//     quotes a key.
//   - If only the host name of a hub is given, latchctl logs in with Entra ID.
//   - An unknown key in the config file is an error that names its line.
package conn
