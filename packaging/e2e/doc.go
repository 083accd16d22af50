// Package e2e tests latchd's packages on a real Debian system with systemd and
// simulated GPIO, in a virtual machine. Run e2e.sh; it builds the image and the packages
// and starts the tests, which have the build tag e2e.
//
// The tests show that the line of a door has no glitches, that no line stays energised,
// and that acknowledged commands and settings survive a power cut.
package e2e
