package eventlog

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

var bootID = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // the clock then goes by the wall clock alone
	}
	return strings.TrimSpace(string(text))
})

// boot returns the id of the running boot, and the microseconds since it began, sleep included.
func boot() (string, int64) {
	var t unix.Timespec
	if bootID() == "" || unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return "", 0
	}
	return bootID(), t.Nano() / 1000
}
