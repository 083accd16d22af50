// Package events keeps the door's events that the hub does not have yet, in memory and
// in one file.
//
// Use [Open] to read the file of the previous process, [Log.Add] to record events, and
// [Log.Next] with [Log.Sent] to send them.
//
// Guarantees:
//   - Add returns at once. It calls its function when the events have been synced to
//     disk, so no event is lost afterwards.
//   - Commands and alarms have a queue of their own. A contact that chatters fills the
//     queue of routine events and displaces no command.
//   - Each queue is bounded in number and in bytes. A full queue drops refused commands
//     first, then its oldest events, and counts what it drops.
//   - A disk that is full, broken or hangs never stops the door. Events stay in memory,
//     within the same bounds, and the log writes them as soon as the disk works again.
package events
