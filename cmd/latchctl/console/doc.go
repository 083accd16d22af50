// Package console serves latchctl's web page: a live list of a hub's doors, and jobs on
// the doors that match a condition. Use [Listen] to open the address, then
// [Server.Serve].
//
// Guarantees on access:
//   - The console listens on a loopback address only. It refuses every request whose
//     Host header names another host, so that a foreign DNS name cannot point at it.
//   - Every page and every answer needs the session cookie. The address that latchctl
//     prints at start sets this cookie, once.
//   - A change also needs the session's second secret in a header, and the page's origin.
//   - The hub's key stays in this process.
//   - The page loads files of the console only, and browsers do not cache them.
//   - Text from a device reaches the page as data, never as markup.
//
// Guarantees on the load of the hub:
//   - The console uses the service API only, so it works with Azure IoT Hub and with
//     the embedded hub. It reads the doors only while a page is open.
//   - Without the user, it makes at most ten queries a minute, which is half of the
//     quota of one S1 or S2 unit. One query reads 1,000 devices, so 10,000 doors are
//     refreshed once a minute.
//   - If the hub sends events, as the embedded hub does, the console reads the changed
//     devices at once, and only those.
//
// A browser sends a cookie to every port of a host. Another program on this computer's
// loopback address that is opened in the same browser therefore sees the session cookie.
// If you share the computer with people who must not open the doors, use a separate
// browser profile.
package console
