// Package provisioning asks a Device Provisioning Service which hub a device
// belongs to, over MQTT, as Azure's has it.
//
// [Register] asks once. [Keeper] remembers what it was told: the service is asked
// by a device that has no assignment, and again when the hub of its assignment
// has refused it for a while. A device that can reach its hub needs no service.
//
// What the package promises:
//   - The device proves who it is by a key (its own, or one made of its group's
//     by [DeriveKey]) or by a certificate, which is then its proof to the hub too.
//   - The service's retry-after is honoured, and nothing waits for ever: each
//     answer has 30 s, and a registration five minutes.
//   - Errors tell what the service thinks of the device ([Error], [Reason]) from
//     what is wrong with the way to it.
//   - No key and no token is in an error or a log entry.
package provisioning
