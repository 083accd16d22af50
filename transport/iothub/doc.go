// Package iothub holds the parts of Azure IoT Hub's protocol that devices, service
// clients and the embedded hub share: connection strings, shared access signatures,
// MQTT topics and user names, twins, direct methods, jobs, error codes and the limits
// of the tiers.
//
// Guarantees:
//   - The package does no I/O and keeps no state. It consists of values and pure
//     functions, so that both ends of a connection read the protocol in the same way.
//   - Parsers refuse input that they do not understand. Their errors name the faulty
//     part and never quote a secret.
package iothub
