// Package credentials keeps the hub's own credentials in its data directory: the CA, the
// server certificate and the keys of the shared access policies. The hub calls [Load]
// when it starts. The command "latchhub policy" calls [PolicyConnectionString] and
// [RollPolicyKey].
//
// Guarantees:
//   - Load creates missing files and reuses existing ones. It never replaces a CA that
//     clients may trust.
//   - Files are replaced atomically. Files with secrets are readable by their owner
//     only.
//   - The server certificate is renewed before it expires, even while the hub runs.
package credentials
