// Package provisioning finds the hub that a device belongs to. It asks an Azure Device
// Provisioning Service over MQTT.
//
// [Register] asks once. A [Locator] remembers the answer. It asks the service only if
// the device has no assignment yet, or if the assigned hub has refused the device
// several times. A device that can reach its hub does not need the service.
//
// Guarantees:
//   - A device proves its identity with a key (its own, or one that [DeriveKey] made
//     from its group's key) or with a certificate. The same key or certificate then
//     proves its identity to the hub.
//   - The device waits as long as the service's retry-after asks. An answer may take at
//     most 30 s, and a registration at most five minutes.
//   - A refusal by the service, or an answer that does not follow the protocol, is an
//     [Error] with a [Reason]. Other errors mean that the service could not be reached.
//   - Errors and log entries contain no key and no token.
package provisioning
