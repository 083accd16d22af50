// Package access checks the credentials of clients. [Checker] checks shared access
// signatures (tokens) against the hub's policies and the devices' keys.
// [CheckCertificate] checks the certificate of a device against its thumbprints or
// against the hub's certificate authorities.
//
// Guarantees:
//   - All types are plain values, and all functions are pure.
//   - A refusal is an *iothub.Error. Its message tells the token's holder the cause: an
//     expired token, a wrong key, a token for another hub or an unknown policy.
//   - No message repeats a key or a signature.
package access
