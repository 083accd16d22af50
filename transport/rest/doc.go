// Package rest is the client of IoT Hub's service API over HTTPS: the registry,
// twins, queries, direct methods and jobs.
//
// It promises:
//   - A request is repeated only where repeating is safe: reads, queries, and
//     the creation of a job, which its id makes safe. A direct method is sent
//     once, whatever happens.
//   - A refusal by the hub is an [*iothub.Error]; a hub that could not be asked
//     is a [*NetworkError], worded for a person. No error holds a secret.
//   - Every request that is signed by a key carries a token of its own, made at
//     that moment, so a clock that was put right heals it.
//   - It speaks to the endpoint that it was given and to no other: redirects are
//     errors. Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY).
//
// The hub's host name, which is signed, and the endpoint, which is dialled, are
// two things: TLS verifies the endpoint's host, the token names the hub.
package rest
