// Package bench measures how the project's programs perform together. Each program runs
// in its own process, and all connections use TLS. "make bench" runs the benchmarks and
// prints the figures with a description of the machine.
package bench
