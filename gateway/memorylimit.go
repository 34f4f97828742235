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

// MemoryLimit is the memory that the process may take. Bytes is math.MaxInt64 or 0 if no limit is set.
type MemoryLimit struct {
	Bytes   int64
	From    string // the source of the limit
	own     bool   // GOMEMLIMIT is set, and the runtime obeys it
	machine int64  // the machine's memory; 0: unknown
}

func (l MemoryLimit) found() bool { return l.Bytes > 0 && l.Bytes < math.MaxInt64 }

// FindMemoryLimit finds the lower of GOMEMLIMIT and the limit of the control group (a container, or MemoryMax= of
// systemd). The runtime does not see the control group's limit: it would let the heap grow to twice the live memory.
func FindMemoryLimit() MemoryLimit {
	l := MemoryLimit{Bytes: groupLimit(os.DirFS("/")), From: "control group", own: os.Getenv("GOMEMLIMIT") != "", machine: machineMemory(os.DirFS("/"))}
	if own := debug.SetMemoryLimit(-1); l.own && own < l.Bytes {
		l.Bytes, l.From = own, "GOMEMLIMIT"
	}
	return l
}

// most returns the most memory that the process can have: the limit, or the machine's memory. It returns 0 if neither is
// known.
func (l MemoryLimit) most() int64 {
	if l.found() && (l.machine == 0 || l.Bytes < l.machine) {
		return l.Bytes
	}
	return l.machine
}

// machineMemory returns the memory of the machine, or 0 where the system does not report it.
func machineMemory(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil || kib < 0 || kib > math.MaxInt64>>10 {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// groupLimit returns the lowest limit of the process's control group and the groups above it, in either version of
// control groups. It returns math.MaxInt64 if there is none.
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
			// Without a limit, the file has "max", which is no number, or a huge number in version 1.
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
