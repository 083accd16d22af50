// Package rest is a client of IoT Hub's service API over HTTPS: the registry, twins,
// queries, direct methods and jobs. Create a [Client] with [New].
//
// Guarantees:
//   - The client repeats a request only if that is safe. It repeats reads, queries, and
//     the creation of a job, because the job's id prevents a second job. It never
//     repeats a direct method.
//   - If the hub refuses a request, the error is an [*iothub.Error]. If the hub does
//     not answer, the error is a [*NetworkError] with a text for users. No error
//     contains a secret.
//   - All requests of a client reach the same hub. The client checks the hub's id in each
//     answer, and a latchhub refuses a request for another hub. If [Options] name the hub,
//     the client sends no change before the hub has proved its id.
//   - With a key, the client signs a new token for each request. After requests failed
//     because of a wrong clock, later requests succeed once the clock is right.
//   - The client connects only to its endpoint. A redirect is an error. The proxy comes
//     from the environment variables HTTPS_PROXY and NO_PROXY.
//
// The hub's host name and the endpoint can differ. The client connects to the endpoint,
// and the server's certificate must be valid for the endpoint's host. The token
// contains the hub's host name.
package rest
