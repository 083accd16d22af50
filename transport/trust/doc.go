// Package trust reads CA files and explains why a TLS connection to a server failed.
//
// Use [ReadCAFile] to read the certificates that a program should trust. After a
// failed connection, use [Handshake.Explain] to tell a person what is wrong with
// the certificate and how to repair it.
package trust
