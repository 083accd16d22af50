// Package agent is what the device does: it owns the lock, answers direct
// methods, reconciles the twin and keeps its state on disk.
//
// Commands come in by a [Link], which lives from one connection to the hub to
// its loss; the truth goes out as reported properties. State converges, it is
// not queued: on each link the agent reads the twin, applies what differs, and
// reports the smallest patch that makes the reported properties true.
//
// No desired property ever moves the lock, and the agent works without a hub:
// what was desired is kept on disk and in force from the start.
package agent
