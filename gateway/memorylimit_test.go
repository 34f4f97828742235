package gateway

import (
	"math"
	"testing"
	"testing/fstest"
)

// TestGroupLimit: the least limit counts, of the process's own control group and of those above it.
func TestGroupLimit(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"none", nil, math.MaxInt64},
		{"version 2, no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.MaxInt64},
		{"version 2, a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		{"version 2, a unit below a slice", map[string]string{
			"proc/self/cgroup":                            "0::/a.slice/b.service\n",
			"sys/fs/cgroup/a.slice/memory.max":            "1048576\n",
			"sys/fs/cgroup/a.slice/b.service/memory.max":  "2097152\n",
			"sys/fs/cgroup/a.slice/b.service/memory.high": "1\n",
		}, 1 << 20},
		{"version 1", map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "3000000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 3_000_000},
		{"a path that is not mounted", map[string]string{"proc/self/cgroup": "0::/docker/1234\n", "sys/fs/cgroup/memory.max": "4000000\n"}, 4_000_000},
	} {
		root := fstest.MapFS{}
		for name, text := range x.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := groupLimit(root); got != x.want {
			t.Errorf("%s: %d, want %d", x.name, got, x.want)
		}
	}
}

func TestMachineMemory(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"MemTotal:       24689764 kB\nMemFree: 1 kB\n": 24689764 << 10,
		"MemFree: 1 kB\nMemTotal: 1 kB\n":              1 << 10,
		"":                                             0,
		"MemTotal: many kB\n":                          0,
		"MemTotal: -1 kB\n":                            0,
		"MemTotal: 9223372036854775807 kB\n":           0,
		"MemTotal: 99999999999999999999 kB\n":          0,
		"MemTotal: 5\n":                                0,
	} {
		root := fstest.MapFS{"proc/meminfo": {Data: []byte(text)}}
		if got := machineMemory(root); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := machineMemory(fstest.MapFS{}); got != 0 {
		t.Errorf("without the file: %d", got)
	}
}
