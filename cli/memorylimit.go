package cli

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryShare is the part of a control group's memory that the runtime tries to stay within, in percent. The rest is for
// what is not the runtime's: mapped files and the kernel's side of the process.
const memoryShare = 90

// limitMemory has the runtime collect garbage more often when memory gets scarce: it does not see the limit of the
// control group (a container, or MemoryMax= of systemd), and lets the heap grow to twice what is live. GOMEMLIMIT goes first.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := groupLimit(os.DirFS("/")); limit < math.MaxInt64 {
		debug.SetMemoryLimit(limit / 100 * memoryShare)
	}
}

// groupLimit returns the least limit of the process's control group and of those above it, of either version;
// math.MaxInt64 where there is none.
func groupLimit(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return least
	}
	for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			text, err := fs.ReadFile(root, path.Join(base, group, file))
			// "max" is no number, and version 1 has a huge one.
			if limit, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && limit > 0 && limit < 1<<60 {
				least = min(least, limit)
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}
