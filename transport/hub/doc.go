// Package hub runs the embedded IoT hub in one process. Use [Run].
//
// It connects the packages below it: broker (MQTT for devices), api (REST for services),
// provisioning, jobs and store. Package hub itself decides on the logins of devices and
// serves metrics.
//
// Guarantees:
//   - On its first start, the hub creates all files that it needs in the data directory.
//   - Two hubs never run with the same data directory.
//   - When its context ends, Run waits up to two seconds for requests in progress, then
//     up to two seconds for method calls, and returns.
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
