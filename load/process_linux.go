package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks of the CPU times in /proc a second; Linux shows the same to all programs.
const ticks = 100

// processes adds up what these have taken. Without any there is nothing to tell.
func processes(pids []int) (usage, error) {
	var u usage
	for _, pid := range pids {
		one, err := process(pid)
		if err != nil {
			return u, fmt.Errorf("reading what process %d takes: %w", pid, err)
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
	// The name, in brackets, may hold anything.
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
