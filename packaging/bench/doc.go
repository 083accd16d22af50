// Package bench measures the project's real programs together. Each program runs in its
// own process, and all connections use TLS. "make bench" runs the benchmarks and prints
// a description of the machine with the figures.
package bench
