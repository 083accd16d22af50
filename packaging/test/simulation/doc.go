// Package simulation runs the whole system in one process on simulated time and judges
// it while parts of it fail: latchhub, some dozens of agents with simulated locks, and a
// technician who calls methods and schedules jobs, lockdowns and rollouts. A day at the
// site takes seconds.
//
// Begin with TestSimulation and the type world. Every random decision comes from one
// seed: a plan lists all faults and all commands before the run begins, so the same seed
// repeats them. A failure prints its seed:
//
//	LATCHD_SIM_SEED=17 go test ./packaging/test/simulation -run TestSimulation
//
// The Go scheduler still decides the order of events that happen at the same moment.
//
// The judge checks these rules during a run and at its end:
//
//  1. No device executes the call of a job twice. Every row of a job ends in one outcome,
//     which is true or unknown.
//  2. What was acknowledged survives every crash.
//  3. No door moves without a cause in its log of events.
//  4. Two minutes after the last fault, every twin tells the truth about its door. If the
//     hub had refused a property with 400, it may take ten minutes.
//  5. Every command and alarm arrives at least once and in order, unless it is counted as
//     dropped.
//  6. Goroutines and memory return to their earlier levels.
//
// TestPlantedBugs and TestMemory break one part at a time and prove that each rule catches
// it.
//
// All goroutines of a run live in one bubble of testing/synctest, whose time advances
// only while every goroutine waits for a channel, a timer or a sync.Cond. Nothing in the
// simulation may therefore wait for a mutex or for the real network; see the type network.
package simulation
