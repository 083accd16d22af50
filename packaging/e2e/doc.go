// Package e2e installs latchd from its package on a real Debian with systemd and
// simulated GPIO, in a virtual machine, and shows that the line of a door does not
// glitch, that nothing stays energised, and that what was acknowledged survives a
// power cut. Its tests have the build tag e2e and are run by e2e.sh.
package e2e
