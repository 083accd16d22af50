//go:build !latchd_debug

package main

import "github.com/latchd/latchd/actuator"

// debugDriver returns the driver unchanged. See debug.go for the version that tests
// use.
func debugDriver(d actuator.Driver) actuator.Driver { return d }
