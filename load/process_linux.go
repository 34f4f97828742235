package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many ticks of CPU time in /proc make a second. On Linux it is the same for all programs.
const ticks = 100

// processes adds up the usage of some processes.
func processes(pids []int) (usage, error) {
	var u usage
	for _, pid := range pids {
		one, err := process(pid)
		if err != nil {
			return u, fmt.Errorf("reading the usage of process %d: %w", pid, err)
		}
		u.cpu += one.cpu
		u.rss += one.rss
	}
	return u, nil
}

func process(pid int) (usage, error) {
	var u usage
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The name, in brackets, may contain any characters.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(n) * time.Second / ticks
	}
	if text, err = os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err != nil {
		return u, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	u.rss = pages * int64(os.Getpagesize())
	return u, err
}
