package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// idle is how many rooms are made to measure one.
const idle = 10_000

// memory is what a process has, in bytes.
type memory struct{ heap, rss float64 }

// rooms is what one of the idle rooms takes: right after they were made, and after a restart.
type rooms struct{ made, again memory }

// idleRooms makes rooms with a value each, and reads what the gateway has more than one that has none.
func (b *bench) idleRooms(ctx context.Context, s *system, _ []string) (*report, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var r report
	var none, made, again memory
	if none, err = b.with(ctx, s, dir, nil); err != nil {
		return nil, fmt.Errorf("without rooms: %w", err)
	}
	making := words("-n 0 --size 64 -p 16 --channels " + strconv.Itoa(idle) + " -e " + strconv.Itoa(idle))
	if made, err = b.with(ctx, s, dir, making); err != nil {
		return nil, fmt.Errorf("with rooms: %w", err)
	}
	if again, err = b.with(ctx, s, dir, nil); err != nil {
		return nil, fmt.Errorf("after a restart: %w", err)
	}
	r.Rooms = rooms{made.over(none), again.over(none)}
	return &r, nil
}

func (m memory) over(none memory) memory {
	return memory{(m.heap - none.heap) / idle, (m.rss - none.rss) / idle}
}

// with starts the system on a folder, puts a load on it if there is one, and reads its memory.
func (b *bench) with(ctx context.Context, s *system, dir string, args []string) (m memory, err error) {
	addr, err := freeAddress()
	if err != nil {
		return m, err
	}
	metrics, err := freeAddress()
	if err != nil {
		return m, err
	}
	watched := &system{s.name, func(b *bench, addr, dir string) *exec.Cmd {
		cmd := s.start(b, addr, dir)
		cmd.Env = append(cmd.Env, "METRICS_ADDR="+metrics)
		return cmd
	}, s.args}
	cmd, err := b.start(ctx, watched, addr, dir)
	if err != nil {
		return m, err
	}
	defer stop(cmd)
	if args != nil {
		if _, err := b.generate(ctx, watched, addr, cmd.Process.Pid, args); err != nil {
			return m, err
		}
	}
	time.Sleep(time.Second)
	// RSS comes first, as it is: the collection for the live heap would change it.
	if m.rss, err = resident(cmd.Process.Pid); err != nil {
		return m, err
	}
	m.heap, err = liveHeap(ctx, "http://"+metrics)
	return m, err
}

func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(text))[1], 64)
	return pages * float64(os.Getpagesize()), err
}

// liveHeap is what is left of the heap by a collection.
func liveHeap(ctx context.Context, url string) (float64, error) {
	for range 2 { // what finalizers and pools held goes with the second
		if _, err := get(ctx, url+"/debug/pprof/heap?gc=1"); err != nil {
			return 0, err
		}
	}
	text, err := get(ctx, url+"/metrics")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_heap_alloc_bytes "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("the metrics at %s do not have the size of the heap", url)
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return string(text), err
}
