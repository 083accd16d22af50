// Package mqtt connects a device to its hub with MQTT 3.1.1 over TLS. Call [Run] with a
// serve function. Run keeps the device connected until its context ends and calls serve
// once for each connection, with a [Link]. Through the link the device receives direct
// methods and changes of its desired properties, answers methods, reads its twin,
// reports properties and sends messages.
//
// Guarantees:
//   - Run calls serve after the hub has acknowledged all subscriptions, so serve misses
//     no message.
//   - A link delivers each method once. When the link is lost, it discards the methods
//     that are still queued, because the device can no longer answer them. A request id
//     is valid for one link only; the same id on the next link is another request.
//   - A device logs in with a key, a ready-made token or a certificate, over TLS or
//     WebSocket, directly or through a proxy. Package dial opens all connections.
//   - Each attempt to connect signs a new token. After a login failed because of a
//     wrong clock, a later attempt succeeds once the clock is right.
//   - Before a token expires, Run replaces the link: it unsubscribes from methods,
//     waits until the device has answered all received methods, disconnects and
//     connects again.
//   - Run never gives up. It waits between attempts with exponential back-off and
//     jitter.
//   - Run notices a dead connection after about KeepAlive plus half a minute.
//   - Errors and log entries contain no key and no token.
package mqtt
