// Package audit writes the log of changes that service clients make: who changed what,
// from which address, and with which result. Make one [Log] for a hub and call
// [Log.Record] for each change, also if the hub refused it.
//
// Guarantees:
//   - The log contains every recorded change. In a flood, the log merges equal changes of
//     a client into one entry with their number. It writes this entry at the end of
//     the [Window], or when the log is closed. Only a crash of the hub loses it.
//   - A client writes at most MaxEntries entries in a Window, and then MaxMerged merged
//     ones and two for each policy and action. At most MaxClients clients have their own entries; all
//     others share the entries of one client. Clients are different if their policies or
//     the hosts of their addresses differ.
//   - Every text of a client is cut (see [logtext.Cut]). The caller must not pass
//     secrets or payloads.
package audit
