package cli

import (
	"io"
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes turns on escape sequences in the console behind w. Old consoles have none.
func enableEscapes(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	console, mode := windows.Handle(file.Fd()), uint32(0)
	return windows.GetConsoleMode(console, &mode) == nil &&
		windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
