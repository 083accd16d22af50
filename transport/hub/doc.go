// Package hub runs the embedded IoT hub in one process. Use [Run].
//
// It connects the packages below it: broker (MQTT for devices), api (REST for
// services), provisioning, jobs and store. It also decides about the logins of
// devices and serves metrics.
//
// Guarantees:
//   - The first start creates everything that the hub needs in the data directory.
//     Later starts use it.
//   - Two hubs never run with the same data directory.
//   - Run returns when its context ends. Calls that are in progress get up to two
//     seconds to finish and to be stored.
//
// The data directory contains:
//
//	ca.pem                     the CA certificate that clients must trust
//	ca.key                     the CA's private key
//	server.pem, server.key     the server certificate, which the hub renews itself
//	service.connection-string  the owner's access to the service API
//	policies.json              the other keys of the shared access policies
//	hub.db                     everything else
//	lock                       locked by the running hub
package hub
