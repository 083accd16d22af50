// Package hub is the embedded IoT hub in one process: it wires the device front
// (package broker), the service front (package api), the provisioning service, the
// jobs engine and the store, and holds what they share: the hub's certificates,
// its policies' keys and the login of devices.
//
// # What it promises
//
// The first start makes all that is needed in the data directory; later starts
// use it. Files are written whole or not at all, and what is secret is readable
// by its owner only:
//
//	ca.pem                     the certificate that clients are to trust
//	ca.key                     its key
//	server.pem, server.key     the fronts' certificate, renewed by the hub itself
//	service.connection-string  the owner's access to the service API
//	policies.json              the other keys of the shared access policies
//	hub.db                     everything else
//	lock                       held by the hub that runs
//
// Two hubs never run on one directory. Run returns when its context ends, with
// calls under way finished and stored as far as a few seconds allow.
package hub
