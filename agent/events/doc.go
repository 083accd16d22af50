// Package events stores the events of a door until the hub has received them. It keeps
// them in memory and in one file.
//
// Use [Open] to read the events file, [Log.Add] to add events, and [Log.Next] with
// [Log.Sent] to send them.
//
// Guarantees:
//   - Add does not wait for the disk. It calls its callback when the events have been
//     synced to disk. A power cut after that loses no event.
//   - Commands and alarms have a queue of their own. A faulty sensor contact can fill
//     the queue of routine events, but never displaces a command.
//   - Each queue has a maximum number of events and of bytes. A full queue drops
//     refused commands first, then its oldest events, and counts the dropped events.
//   - A full, broken or hanging disk never stops the door. Events stay in memory,
//     within the same limits, and the log writes them as soon as the disk works again.
package events
