// Package conn decides which hub latchctl connects to. Use [LoadConfig] to read the
// user's config file, then [Resolve] to combine it with the flags and the environment.
//
// Guarantees:
//   - Precedence: flags, environment, default hub of the config file.
//   - A hub of the config file has its own endpoint and CA file. LATCHCTL_ENDPOINT and
//     LATCHCTL_CA_FILE apply only if the hub comes from another source.
//   - Keys come from files or the environment, never from the command line, and no
//     error quotes a key.
//   - A hub that is given by host name only needs a login with Entra ID.
//   - An unknown key in the config file is an error that names its line.
package conn
