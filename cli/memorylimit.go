package cli

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// memoryLimit is how much memory the process may take; math.MaxInt64 where nobody has set a limit.
type memoryLimit struct {
	bytes int64
	from  string
	own   bool // GOMEMLIMIT is set: the runtime keeps to that
}

func (l memoryLimit) found() bool { return l.bytes < math.MaxInt64 }

// findMemoryLimit finds the lower of GOMEMLIMIT and the limit of the control group (a container, or MemoryMax= of systemd),
// which the runtime does not see: it would let the heap grow to twice what is live.
func findMemoryLimit() memoryLimit {
	l := memoryLimit{bytes: groupLimit(os.DirFS("/")), from: "control group", own: os.Getenv("GOMEMLIMIT") != ""}
	if own := debug.SetMemoryLimit(-1); l.own && own < l.bytes {
		l.bytes, l.from = own, "GOMEMLIMIT"
	}
	return l
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
		if slices.Contains(strings.Split(parts[1], ","), "memory") {
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
