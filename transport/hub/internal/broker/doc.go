// Package broker accepts the MQTT 3.1.1 connections of devices and speaks IoT Hub's
// protocol on them. Use New to make a broker, Serve to accept TLS connections and
// WebSocket to accept MQTT over WebSocket. Call direct methods with Invoke and send twin
// changes with SendDesired.
//
// The library mochi-mqtt reads and writes the packets, but this is not a general broker.
// It guarantees:
//
//   - Isolation. A device can subscribe only to the filters that IoT Hub documents. There
//     is no topic tree: the broker writes a message directly to the connection of the
//     device that it is for, and a message that a device publishes is a request to the
//     hub.
//   - Persistent sessions. A client that connects with CleanSession=0 keeps its
//     subscriptions across reconnects and, because the Backend stores them, across
//     restarts of the hub. Sessions do not expire. Messages for a disconnected device
//     are not queued.
//   - One connection for each device. When a device opens a new connection, the broker
//     closes the old connection first and reports its end to the Backend.
//   - Bounded cost of a connection. There are limits on the size of a packet, on the
//     number of messages that wait for a slow reader, and on the duration of a write.
//
// The broker closes a connection that uses anything IoT Hub does not support: unknown
// topics or filters, QoS 2, or another version of the protocol.
package broker
