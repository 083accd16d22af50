// Package demo tests demo.sh, which demonstrates the system on one machine: the demo
// shows the expected results, and leaves no process and no file behind, even when it is
// interrupted.
package demo
