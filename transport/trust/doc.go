// Package trust reads CA files and explains why a TLS connection to a server failed.
//
// Use [ReadCAFile] to read the CA certificates that a program should trust. After a
// failed connection, use [Handshake.Explain] to tell the user what is wrong and what to
// do.
package trust
