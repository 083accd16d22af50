// Package admission bounds the connections of clients that have not proven who they are.
// Make one [Limiter] for a hub, wrap each listener with [Limiter.Listen], and call
// [Authorize] or [AuthorizeRequest] as soon as a client has proven its identity.
//
// Guarantees:
//   - The hub closes a connection that is not authorized LoginTime after it was accepted,
//     even if the client sends data all the time.
//   - The hub has at most MaxUnauthorized connections that are not authorized, and at most
//     Options.MaxConnections connections in total. At a limit, it closes the oldest
//     connection that is not authorized, but not before MinTime has passed.
//   - The hub accepts at most MaxNew connections within MinTime, not counting those that are
//     authorized by then. All others wait in the queue of the operating system.
//   - The hub never closes an authorized connection to make room for another.
//   - At most 512 HTTP connections of clients that have proven who they are stay open without
//     a request, and at most a quarter of all. Clients that have many lose theirs first.
//   - The bounds do not depend on addresses, so strangers cannot lock out the devices of
//     a site by connecting from the address that the site shares.
package admission
