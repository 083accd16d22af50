// Package mqtt is a device's link to its hub: MQTT 3.1.1 over TLS, as IoT Hub
// has it.
//
// [Run] keeps the device connected until its context ends. For every link it
// calls a serve function with a [Link], by which the device gets direct methods
// and changes of its desired properties, answers, reads its twin, reports and
// sends messages.
//
// What the package promises:
//   - When serve is called the hub has acknowledged all subscriptions: nothing
//     that it sends from then on is missed for want of one.
//   - No method is delivered twice on one link, and none that could not be
//     answered any more is delivered: methods that wait when the link is lost
//     are discarded. A request id belongs to its link; the same id on the next
//     link is another request.
//   - A device logs in with a key, a ready-made token or a certificate, over TLS
//     or WebSocket, directly or by a proxy; all connections are opened by package
//     dial.
//   - A token is made anew for each attempt, so that a corrected clock heals a
//     refused login. Before a token runs out the link is renewed: methods are
//     unsubscribed from, those in flight are finished and their answers written,
//     and only then the link is closed and made again.
//   - There is no state in which Run gives up. Attempts are spread by
//     exponential back-off with jitter, see [Run].
//   - A dead link is noticed within about KeepAlive and half a minute.
//   - No key and no token is in an error or a log entry.
package mqtt
