// Package bench measures the project's real programs together, each in a process
// of its own, over TLS. "make bench" runs it and prints the machine beside the
// figures.
package bench
