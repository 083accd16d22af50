// Package e2e tests latchd's packages in a virtual machine with Debian, systemd and
// simulated GPIO. Run e2e.sh. It builds the image and the packages and starts the
// tests, which have the build tag e2e.
//
// The tests show that a door's GPIO line has no glitches and that no line stays
// energised. They also show that acknowledged commands and settings survive a power
// cut.
package e2e
