// Package demo tests demo.sh, a script that demonstrates the system on one machine. The
// demo must show the expected results. It must leave no process and no file behind,
// even if it is interrupted.
package demo
