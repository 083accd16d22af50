// Package system tests the project's real programs together, each in a process
// of its own, over TLS and with files on disk: what happens to a job when the
// hub is killed in the middle of it, how a door that jams is told, and that no
// bad input changes anything.
package system
