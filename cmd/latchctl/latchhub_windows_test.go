package main

import "github.com/rogpeppe/go-internal/testscript"

// latchhubCommand fails, because latchhub does not run on Windows.
func latchhubCommand(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("latchhub does not run on Windows")
}
