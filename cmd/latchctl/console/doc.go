// Package console serves latchctl's page: the doors of a hub as a live list,
// jobs on those that a condition selects, and what became of each door.
//
// It promises:
//   - It listens on a loopback address only, and answers only requests that name
//     that address as their host, so that no other site's name can be pointed at
//     it. Every page and every answer needs the session, which the address that
//     is printed at start opens, once. A change needs the session's second secret
//     in a header as well, and must come from the page itself.
//   - The hub's key stays in this process. The page loads nothing from anywhere
//     else, runs no script but its own files, and nothing of it is cached.
//   - It asks the hub by the service API alone, so that Azure IoT Hub and the
//     embedded hub are the same to it, and only while a page is looked at. By
//     itself it makes ten queries a minute at the most, half of what a unit of
//     the tiers S1 and S2 has: a query reads 1,000 devices, so that 10,000 doors
//     are read once a minute.
//   - Where the hub tells what happens, as the embedded one does, only the devices
//     that it names are read, at once.
//   - What a device has written reaches the page as data, never as markup.
//
// Cookies know no ports. Whoever runs another program on this computer's loopback
// address, and is visited with the same browser, sees the session's cookie; on a
// computer that is shared with people who may not open the doors, use a browser
// profile of its own.
package console
