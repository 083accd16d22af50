//go:build !windows

package ui

import "os"

// EnableColors reports whether the terminal f can show colours.
func EnableColors(*os.File) bool { return true }
