package ui

import (
	"os"

	"golang.org/x/sys/windows"
)

// EnableColors reports whether the terminal f can show colours. A console of Windows shows
// them only after a program has asked for that.
func EnableColors(f *os.File) bool {
	console := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}

	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
