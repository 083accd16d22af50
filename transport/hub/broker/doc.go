// Package broker is the hub's device front: MQTT 3.1.1 as IoT Hub speaks it,
// over whatever listeners it is given.
//
// It is no general broker, although one (mochi-mqtt) reads and writes its
// packets. What it promises:
//
//   - Isolation by construction. A device may subscribe to the filters that IoT
//     Hub documents and to nothing else. In the topic tree all of them lie under
//     a prefix that belongs to the device, and a packet without that prefix
//     cannot be written to its link. What a device publishes is taken as a request to
//     the hub and never reaches the topic tree.
//   - Sessions. The subscriptions of a client that connects with CleanSession=0
//     last through reconnects and, through the Backend, through restarts. They do
//     not expire. Nothing is queued for a device that is away.
//   - One link a device. A new link closes the old one and takes over only when
//     that one is gone, its disconnection told to the Backend.
//   - No link costs more than its bounds: packets are limited in size, messages
//     that wait for a slow reader in number, writes in time.
//
// Whatever IoT Hub has no place for (foreign topics and filters, QoS 2, packets
// of other protocol versions) ends the link.
package broker
