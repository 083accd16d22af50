// Package system tests the project's real programs together. Each program runs in its
// own process and uses TLS connections and files on disk. The tests check how a job
// ends if the hub is killed, how a jammed door is reported, and that bad input changes
// nothing.
package system
