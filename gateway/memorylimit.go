package gateway

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

// MemoryLimit is how much memory the process may take: math.MaxInt64, or 0, where nobody has set a limit.
type MemoryLimit struct {
	Bytes int64
	From  string // what set it
	own   bool   // GOMEMLIMIT is set: the runtime keeps to that
}

func (l MemoryLimit) found() bool { return l.Bytes > 0 && l.Bytes < math.MaxInt64 }

// FindMemoryLimit finds the lower of GOMEMLIMIT and the limit of the control group (a container, or MemoryMax= of systemd),
// which the runtime does not see: it would let the heap grow to twice what is live.
func FindMemoryLimit() MemoryLimit {
	l := MemoryLimit{Bytes: groupLimit(os.DirFS("/")), From: "control group", own: os.Getenv("GOMEMLIMIT") != ""}
	if own := debug.SetMemoryLimit(-1); l.own && own < l.Bytes {
		l.Bytes, l.From = own, "GOMEMLIMIT"
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
