// Package documents tests the project's pages: their links lead to files, and the commands
// that they show exist.
package documents
