// Package guard tests the structure of the project. It checks which packages and
// modules each part may link, which directories exist at the top level, and that every
// package has a doc comment.
package guard
