// Package ui draws what latchctl shows to a person: tables fitted to a width and
// the line of progress.
//
// The rules: nothing that came from a device or a hub reaches the terminal
// before [Clean] took its control characters out. Colour says nothing that the
// words do not say. Widths count characters, each taken as one column wide.
package ui
