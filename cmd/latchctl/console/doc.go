// Package console serves latchctl's web page: a live list of a hub's doors, and jobs on
// the doors that match a condition. Use [Listen] to open the address, then
// [Server.Serve].
//
// Guarantees on access:
//   - The console listens on a loopback address only. It refuses every request whose
//     Host header names another host. A web site whose DNS name points at this computer
//     therefore cannot reach the console.
//   - Every page and every answer needs the session cookie. The address that latchctl
//     prints at start sets this cookie, once.
//   - A request that changes something also needs the session's second secret in a
//     header, and must come from the console's own page.
//   - The hub's key stays in the process of the console.
//   - A page loads files only from the console, and browsers do not cache them.
//   - Text from a device reaches the page as data, never as markup.
//
// Guarantees on commands:
//   - A search never selects doors. A job, a retry or a resumed rollout calls exactly the
//     doors that the user confirmed; otherwise the console sends nothing.
//   - A door is shown as locked only while it is connected and reports that it is secured.
//   - An outcome is judged from the rows of the job. Until the console has read them, the
//     page says how many doors the hub has reached.
//
// Guarantees on the load of the hub:
//   - The console uses only the service API, so it works with Azure IoT Hub and with
//     the embedded hub. It reads the doors only while a page is open.
//   - On its own, the console makes at most ten queries a minute, which is half of the
//     quota of one S1 or S2 unit of IoT Hub. One query reads 1,000 devices, so the
//     console reads 10,000 doors once a minute.
//   - The embedded hub sends an event for each change. The console then reads only the
//     changed devices, at once.
//
// A browser sends a cookie to every port of a host. If another program on this computer
// serves a page on a loopback address, and you open that page in the same browser, the
// program receives the console's session cookie. Use a separate browser profile if you
// share the computer with people who must not open the doors.
package console
