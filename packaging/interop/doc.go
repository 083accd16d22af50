// Package interop tests the project against IoT Hub's official Node SDKs: each
// can stand at either end of a job. Mosquitto's clients are a second opinion, of
// a device that knows nothing of IoT Hub.
//
// The folder's Node programs are a device and a service as a user of the SDKs
// would write them; the tests run them and the project's own binaries against a
// real latchhub. "npm ci" in this folder installs the SDKs. Without them the
// tests are skipped, loudly; where CI is set that is a failure.
package interop
