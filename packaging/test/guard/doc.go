// Package guard tests what the project has decided about its own structure:
// which package may link which, and that each says what it is for.
package guard
