// Package agent is the program on a gateway: it owns one door's lock, answers direct
// methods, reconciles the twin and keeps its state on disk.
//
// Use [OpenStore] and events.Open to open the state directory, [New] to make the
// agent, [Agent.Run] together with the lock, then [Agent.Serve] for each [Link], which
// is one connection to the hub.
//
// Guarantees:
//   - No desired property ever unlocks the door. The property lockdown locks it.
//   - Nothing in its payload makes the method lockDoor fail.
//   - The agent works without a hub. Accepted desired properties are saved on disk
//     and in force from the start.
//   - State converges; it is not queued. On each link the agent reads the twin,
//     applies the changes, and reports the smallest patch that makes the reported
//     properties true.
//   - A method's answer says what happened, not what was asked.
package agent
