// Package store keeps all that the embedded hub must not lose in one SQLite
// file: identities, twins, MQTT sessions and jobs.
//
// # What it promises
//
// A write that was answered survives a power cut: the file is in WAL mode with
// synchronous=FULL, and no answer is given before the COMMIT. One goroutine
// writes. It takes all that is queued, puts each write into a savepoint of its own
// and commits once, so that a thousand devices share one flush of the disk, while
// a write that fails takes back nothing but itself. Writes happen in the order in
// which they were queued.
//
// Readers have connections of their own which cannot write; each sees the last
// commit and waits for nobody.
//
// Versions and etags never go back. The file is readable by its owner only, for
// it holds the devices' keys. Refusals are of type *iothub.Error, with the code
// that IoT Hub gives.
package store
