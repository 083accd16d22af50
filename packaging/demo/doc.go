// Package demo holds the demonstration, demo.sh, and tests that it shows what it
// promises and leaves nothing behind, whenever it is interrupted.
package demo
