// Package agent implements the program on a gateway: it controls one door's lock,
// answers direct methods, keeps the device twin up to date and saves its state on disk.
//
// Use [OpenStore] and events.Open to open the state directory and [New] to make the
// agent. Run [Agent.Run] beside the lock, and call [Agent.Serve] for each [Link], a
// connection to the hub.
//
// Guarantees:
//   - No desired property ever unlocks the door. The property lockdown locks it.
//   - The method lockDoor accepts every payload, even an invalid one.
//   - The agent works without a hub. It saves accepted desired properties on disk and
//     applies them when it starts.
//   - The agent queues no changes of state. On each link it reads the twin, applies the
//     desired properties, and reports the smallest patch that makes the reported
//     properties true.
//   - The answer to a method tells what the lock did, not what was requested.
package agent
