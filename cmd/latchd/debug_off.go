//go:build !latchd_debug

package main

import "github.com/latchd/latchd/actuator"

// debugDriver returns the driver as it is; see debug.go.
func debugDriver(d actuator.Driver) actuator.Driver { return d }
