// Package interop tests the project's programs with other implementations. Each test
// runs a real latchhub. IoT Hub's official Node SDKs take the place of latchd or
// latchctl. Mosquitto's clients serve as devices that know nothing of IoT Hub. Where az and
// its extension azure-iot are installed, they take the place of latchctl, too.
//
// The Node programs in this folder use the SDKs as a user would. Run "npm ci" in this
// folder to install the SDKs. Without them the tests are skipped, or fail if the
// environment variable CI is set.
package interop
